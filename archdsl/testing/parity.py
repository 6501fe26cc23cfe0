"""Whether a kernel computes what its reference computes: outputs and every gradient, against float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archdsl.kernels.operator import Operator
from archdsl.testing.guarded import Canaries, guarded

# of the error that the reference makes in the same number format
_FACTOR = 2.0
# of so few numbers the reference may be nearer by chance than it is on average: a gradient that is one sum over everything
_FEW, _FEW_UNITS = 16, 4
UNITS = {torch.float32: 4}
"""The roundings that are allowed beside the error of the reference, where it is not one.

In float32 a GPU raises exponentials and divides with errors of some units, which no rounding of the result covers.
"""


@dataclass(frozen=True, slots=True)
class Error:
    """How far one tensor is from float64: the largest and the root mean square of the differences, over those of its values.

    `reference` and `reference_rms` say the same of the reference in the number format of the kernel. `unit` is one rounding, or
    some in float32 and where there are few numbers.
    """

    what: str
    largest: float
    rms: float
    reference: float
    reference_rms: float
    unit: float

    @property
    def holds(self) -> bool:
        """At most twice the error of the reference in the same number format, plus one unit of rounding, in float32 four."""
        within = self.largest <= _FACTOR * self.reference + self.unit
        # a NaN is within nothing
        return within and self.rms <= _FACTOR * self.reference_rms + self.unit

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.largest:.2e} (rms {self.rms:.2e}), the reference {self.reference:.2e} "
            f"(rms {self.reference_rms:.2e}), a rounding {self.unit:.2e}"
        )


def errors(operator: Operator, arguments: tuple[Any, ...], *, seed: int = 0) -> list[Error]:
    """The errors of all outputs and gradients of an operator's kernels for arguments in their number format, on their device.

    Tensors may have any strides that the operator takes. Inputs lie between bands of NaN, and so does what kernels allocate.

    Raises
    ------
    AssertionError: something was written outside of what was allocated, or outputs have other shapes, strides or formats than
        `operator.allocate` and `torch.empty_like` promise.
    """
    inputs = tuple(guarded(value) if isinstance(value, Tensor) else value for value in arguments)
    kernel = operator.kernel()
    with Canaries() as canaries:
        outputs = tuple(kernel.forward(*inputs))
    canaries.check()
    for name, output, promised in zip(operator.gives, outputs, operator.allocate(*arguments), strict=True):
        _same_layout(name, output, promised)

    generator = torch.Generator().manual_seed(seed)
    grad = torch.randn(outputs[0].shape, generator=generator, dtype=torch.float64).to(outputs[0])
    grad = torch.empty_like(outputs[0]).copy_(grad)
    with Canaries() as canaries:
        gradients = tuple(kernel.backward(guarded(grad), *inputs, *(guarded(output) for output in outputs)))
    canaries.check()
    for name, gradient in zip(operator.differentiable, gradients, strict=True):
        _same_layout(f"the gradient of {name}", gradient, torch.empty_like(arguments[operator.arguments.index(name)]))

    exact = _referred(operator, arguments, grad, torch.float64)
    same = _referred(operator, arguments, grad, None)
    names = [*operator.gives, *(f"the gradient of {name}" for name in operator.differentiable)]
    rows = zip(names, (*outputs, *gradients), exact, same, strict=True)
    return [_error(name, got, want, reference) for name, got, want, reference in rows]


def check_parity(operator: Operator, arguments: tuple[Any, ...], *, seed: int = 0) -> None:
    """Raise `AssertionError` where an output or a gradient of the kernels is further from float64 than it may be."""
    beyond = [str(error) for error in errors(operator, arguments, seed=seed) if not error.holds]
    assert not beyond, f"{operator.name} is too far from float64: " + "; ".join(beyond)


def check_repeatable(operator: Operator, arguments: tuple[Any, ...], *, seed: int = 0) -> None:
    """Raise `AssertionError` where two runs of the kernels differ in a bit."""
    kernel = operator.kernel()
    first, second = (tuple(kernel.forward(*arguments)) for _ in range(2))
    grad = torch.randn(first[0].shape, generator=torch.Generator().manual_seed(seed)).to(first[0])
    gradients, again = (tuple(kernel.backward(grad, *arguments, *first)) for _ in range(2))
    names = [*operator.gives, *(f"the gradient of {name}" for name in operator.differentiable)]
    for name, one, two in zip(names, (*first, *gradients), (*second, *again), strict=True):
        assert torch.equal(one, two), f"{operator.name}: two runs give different bits for {name}"


def _referred(operator: Operator, arguments: tuple[Any, ...], grad: Tensor, dtype: torch.dtype | None) -> list[Tensor]:
    """Outputs and gradients of the reference, in another number format where one is given."""

    def taken(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        return value.detach().to(dtype or value.dtype)

    given = [taken(value) for value in arguments]
    wanted = [operator.arguments.index(name) for name in operator.differentiable]
    for place in wanted:
        given[place] = given[place].clone().requires_grad_()
    y = operator.reference(*given)
    gradients = torch.autograd.grad(y, [given[place] for place in wanted], taken(grad).to(y.dtype))
    with torch.no_grad():
        return [y.detach(), *operator.saved(*given), *gradients]


def _error(what: str, got: Tensor, want: Tensor, reference: Tensor) -> Error:
    want = want.double()
    scale, mean = want.abs().max().item() or 1.0, want.square().mean().sqrt().item() or 1.0
    found, same = got.double() - want, reference.double() - want
    return Error(
        what,
        found.abs().max().item() / scale,
        found.square().mean().sqrt().item() / mean,
        same.abs().max().item() / scale,
        same.square().mean().sqrt().item() / mean,
        torch.finfo(got.dtype).eps * (_FEW_UNITS if got.numel() < _FEW else UNITS.get(got.dtype, 1)),
    )


def _same_layout(what: str, found: Tensor, promised: Tensor) -> None:
    for kind, one, two in (
        ("shape", tuple(found.shape), tuple(promised.shape)),
        ("strides", found.stride(), promised.stride()),
        ("number format", found.dtype, promised.dtype),
    ):
        assert one == two, f"{what} has the {kind} {one}, not {two}"
