"""The measured cost of a module: what fvcore counts when it runs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from archdsl.ir.counts import part_levels
from archdsl.ir.network import Network
from archdsl.kernels.operator import OPERATORS, Operator
from archdsl.lowering.memory import activation_bytes, refuse_beyond_memory


@dataclass(frozen=True, slots=True)
class Measured:
    """Parameters of a module, and the operations that fvcore counts for one image in evaluation mode.

    `parts` has the operations of the stem, each stage, each node and each head by their levels in the state_dict, `params`
    likewise is split in `params_by_part`. `uncounted` has the operators fvcore has no rule for, and how often each ran.
    """

    params: int
    flops: int
    ops: Mapping[str, int]
    parts: Mapping[str, int]
    params_by_part: Mapping[str, int]
    uncounted: Mapping[str, int]


def measure(module: nn.Module, network: Network) -> Measured:
    """Run a module of `network` once and count. An operator of archdsl counts as what its reference is made of.

    The module comes back as it was, in the mode it was in.

    Raises
    ------
    SpecError: `out-of-memory`.
    """
    refuse_beyond_memory(network, activation_bytes(network, batch=1), "measure")
    levels = part_levels(network)
    modes = {child: child.training for child in module.modules()}
    like = next(module.parameters(), torch.empty(0))
    image = torch.zeros((1, *network.image.shape), dtype=like.dtype, device=like.device)
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            from fvcore.nn import FlopCountAnalysis

            analysis = FlopCountAnalysis(module, image)
            for name, operator in OPERATORS.items():
                analysis.set_op_handle(f"archdsl::{name}", _handle(operator))
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
            by_module = analysis.by_module()
            ops = {name: int(count) for name, count in sorted(analysis.by_operator().items()) if count}
            uncounted = {name.removeprefix("aten::"): count for name, count in sorted(analysis.unsupported_ops().items())}
            flops = int(analysis.total())
    finally:
        for child, training in modes.items():
            child.training = training
    return Measured(
        params=_params(module),
        flops=flops,
        ops=ops,
        parts={level: int(by_module[level]) for level in levels},
        params_by_part={level: _params(module.get_submodule(level)) for level in levels},
        uncounted=uncounted,
    )


def _handle(operator: Operator) -> Callable[[list[Any], list[Any]], Counter[str]]:
    """What fvcore calls for a node of an operator in a traced graph."""

    def handle(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
        # all multiplications of the references are those of products
        return Counter(matmul=operator.macs(*map(_argument, inputs)))

    return handle


def _argument(value: Any) -> Any:
    """What is known of a value in a traced graph: the shape of a tensor, or a number."""
    return tuple(value.type().sizes()) if value.isCompleteTensor() else value.toIValue()


def _params(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
