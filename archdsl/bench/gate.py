"""Whether a way computes what the reference computes, asked before it is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from archdsl.kernels.operator import Operator
from archdsl.testing.parity import Error

# images that the reference in float64 computes at once
_IMAGES = 4


# how many times what a kernel may err another implementation may: it is to compute the same, not as exactly
_LENIENCE = 8


def same(error: Error) -> bool:
    """Whether another implementation computes what the reference does."""
    largest, rms = (2 * found + error.unit for found in (error.reference, error.reference_rms))
    # a NaN is within nothing
    return error.largest <= _LENIENCE * largest and error.rms <= _LENIENCE * rms


class Gate:
    """What the reference of an operator gives for some arguments, in float64 and in their own number format.

    Gradients are those for a random gradient of the result.
    """

    def __init__(self, operator: Operator, arguments: tuple[Any, ...], *, seed: int = 0) -> None:
        self._operator = operator
        self._arguments = arguments
        self._names = ["y", *(f"the gradient of {name}" for name in operator.differentiable)]
        generator = torch.Generator().manual_seed(seed)
        y = operator.allocate(*arguments)[0]
        self.grad = torch.empty_like(y).copy_(torch.randn(y.shape, generator=generator).to(y))
        self._exact = self._referred(torch.float64)
        self._same = self._referred(None)

    def errors(self, run: Callable[..., Tensor]) -> list[Error]:
        """How far the result and the gradients of a way are from float64."""
        found = zip(self._names, self._ran(run, self._arguments, self.grad), self._exact, self._same, strict=True)
        return [_error(*row) for row in found]

    def _ran(self, run: Callable[..., Tensor], arguments: tuple[Any, ...], grad: Tensor) -> list[Tensor]:
        given = list(arguments)
        wanted = [self._operator.arguments.index(name) for name in self._operator.differentiable]
        for place in wanted:
            given[place] = given[place].detach().requires_grad_()
        y = run(*given)
        return [y.detach(), *torch.autograd.grad(y, [given[place] for place in wanted], grad)]

    def _referred(self, dtype: torch.dtype | None) -> list[Tensor]:
        """Result and gradients of the reference, a few images at once; what has no batch is added up in float64."""
        batched = [True, *(name in self._operator.batched for name in self._operator.differentiable)]
        parts = [self._ran(self._operator.reference, *part) for part in self._parts(dtype)]
        return [
            torch.cat(found) if whole else torch.stack([part.double() for part in found]).sum(0).to(found[0].dtype)
            for whole, found in zip(batched, zip(*parts, strict=True), strict=True)
        ]

    def _parts(self, dtype: torch.dtype | None) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
        for first in range(0, len(self.grad), _IMAGES):
            taken = slice(first, first + _IMAGES)
            given = tuple(
                _as(value[taken] if name in self._operator.batched else value, dtype)
                for name, value in zip(self._operator.arguments, self._arguments, strict=True)
            )
            yield given, _as(self.grad[taken], dtype)


def _as(value: Any, dtype: torch.dtype | None) -> Any:
    return value.to(dtype) if dtype and isinstance(value, Tensor) and value.is_floating_point() else value


def _error(what: str, found: Tensor, exact: Tensor, same: Tensor) -> Error:
    largest, mean = exact.abs().max().item() or 1.0, _rms(exact) or 1.0
    ours, theirs = found.double() - exact, same.double() - exact
    return Error(
        what,
        ours.abs().max().item() / largest,
        _rms(ours) / mean,
        theirs.abs().max().item() / largest,
        _rms(theirs) / mean,
        torch.finfo(found.dtype).eps,
    )


def _rms(values: Tensor) -> float:
    return values.square().mean().sqrt().item()
