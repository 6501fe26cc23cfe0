"""The measured cost of a module: what fvcore counts when it runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from archdsl.ir.counts import part_levels
from archdsl.ir.network import Network
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
    """Run a module of `network` once and count. It must be built of references: fvcore does not see into fused kernels.

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


def _params(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
