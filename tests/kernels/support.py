"""Arguments of operators, in all the ways that memory can hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from archdsl.components.operators import operators
from archdsl.kernels.operator import Operator
from archdsl.kernels.sample import Sample

OPERATORS = operators()
ODD = [(name, sample) for name, operator in OPERATORS.items() for sample in operator.samples().ODD]
IDS = [f"{name}-{sample}" for name, sample in ODD]


def drawn(name: str, sample: Sample, batch: int = 2, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Any, ...]:
    """Arguments of an operator on the CPU."""
    return OPERATORS[name].samples().draw(sample, batch, dtype=dtype, device="cpu", seed=seed)


def on_tensors(change: Callable[[Tensor], Tensor], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with all tensors changed."""
    return tuple(change(value) if isinstance(value, Tensor) else value for value in arguments)


def permuted(tensor: Tensor) -> Tensor:
    """The same numbers, dense, with all axes but the first the other way round in memory."""
    order = (0, *range(tensor.ndim - 1, 0, -1))
    return tensor.permute(order).contiguous().permute(order)


def sliced(tensor: Tensor) -> Tensor:
    """The same numbers, with room between the rows."""
    return torch.cat((tensor, tensor[..., :1]), -1)[..., : tensor.shape[-1]]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {"contiguous": torch.Tensor.contiguous, "permuted": permuted, "sliced": sliced}


def recording(operator: Operator, arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Tensor]]:
    """The arguments with those that get a gradient as leaves, and these."""
    given = list(arguments)
    for name in operator.differentiable:
        place = operator.arguments.index(name)
        given[place] = given[place].detach().requires_grad_()
    return tuple(given), [given[operator.arguments.index(name)] for name in operator.differentiable]
