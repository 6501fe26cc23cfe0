"""Operators of torch that have a reference and a kernel."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.flop_counter import register_flop_formula

from archdsl.kernels.choice import why_no_kernel
from archdsl.kernels.interpreter import INTERPRETED

_LIBRARY = torch.library.Library("archdsl", "DEF")

OPERATORS: dict[str, Operator] = {}
"""All operators by their names, once the modules of their components are imported."""


class Operator:
    """The operator `archdsl::NAME` and, for its gradients, `archdsl::NAME_backward`.

    On the CPU it runs its reference, on CUDA its kernel; where Triton interprets, its kernel on the CPU too. It works in eager
    mode, under `torch.compile`, `torch.export` and `torch.func.vmap`. Gradients of gradients are not defined, nor is
    differentiation in forward mode; both are refused.

    Parameters
    ----------
    name: that of the mathematics: `routing_attention`.
    takes: the arguments as torch writes them, tensors first: `"Tensor qkv, Tensor routes, int heads, float scale"`.
    gives: names of the outputs. The first is the result; the others are what the backward pass needs beside it, and carry no
        gradient. All have the batch in front.
    differentiable: names of the tensors that get a gradient.
    batched: names of the tensors whose first axis is the batch.
    outputs: allocates the outputs, with the strides that they really have: a function of the arguments.
    reference: the result in ordinary operators of torch: a function of the arguments.
    saved: the other outputs likewise.
    folder: the package of the component. Its module `kernel` has `forward(*arguments)`, which returns the outputs, and
        `backward(grad, *arguments, *outputs)`, which returns the gradients of the differentiable tensors as a tuple, each with
        the strides of `torch.empty_like` of its tensor; it is imported when one of them runs. Its module `samples` has the
        shapes that the operator is checked and measured at.
    macs, backward_macs: multiplications of a forward and of a backward pass, as `archdsl count` counts them: functions of the
        arguments of the pass, with shapes in place of the tensors.
    exponentials: of a forward pass, likewise; the backward pass has as many.
    """

    def __init__(
        self,
        name: str,
        takes: str,
        *,
        gives: Sequence[str],
        differentiable: Sequence[str],
        batched: Sequence[str],
        outputs: Callable[..., tuple[Tensor, ...]],
        reference: Callable[..., Tensor],
        saved: Callable[..., tuple[Tensor, ...]],
        folder: str,
        macs: Callable[..., int],
        backward_macs: Callable[..., int],
        exponentials: Callable[..., int],
    ) -> None:
        kinds = [argument.split(" ") for argument in takes.split(", ")]
        self.name = name
        self.arguments = tuple(name for _, name in kinds)
        self.tensors = tuple(name for kind, name in kinds if kind == "Tensor")
        self.gives, self.differentiable, self.batched = tuple(gives), tuple(differentiable), tuple(batched)
        if self.arguments[: len(self.tensors)] != self.tensors:
            raise ValueError(f"the tensors of `{name}` come first")
        self.macs, self.backward_macs, self.exponentials = macs, backward_macs, exponentials
        self.allocate, self.reference, self.saved = outputs, reference, saved
        self._folder = folder
        self._wanted = tuple(self.arguments.index(tensor) for tensor in self.differentiable)

        kept = ", ".join(f"Tensor {output}" for output in self.gives)
        _LIBRARY.define(f"{name}({takes}) -> {_returned(self.gives)}")
        _LIBRARY.define(f"{name}_backward(Tensor grad, {takes}, {kept}) -> {_returned(self.differentiable)}")
        self.forward = getattr(torch.ops.archdsl, name).default
        self.backward = getattr(torch.ops.archdsl, f"{name}_backward").default
        self._register()
        OPERATORS[name] = self

    def __repr__(self) -> str:
        return f"<operator archdsl::{self.name}>"

    def __call__(self, *arguments: Any) -> Tensor:
        """The result, the first of the outputs."""
        # torch would drop the tangents of inputs without gradient, and go on as if they were zero
        if not torch.compiler.is_compiling() and forward_ad._current_level >= 0 and torch._C._is_fwd_grad_enabled():
            raise NotImplementedError(
                f"archdsl::{self.name} has no forward-mode derivative: build the model with `kernels=False` for `jvp`"
            )
        return self.forward(*arguments)[0]

    def kernel(self) -> Any:
        """The module of the kernels. Imports Triton."""
        return importlib.import_module(f"{self._folder}.kernel")

    def samples(self) -> Any:
        """The module of the shapes that the operator is checked and measured at: see `archdsl.kernels.sample`."""
        return importlib.import_module(f"{self._folder}.samples")

    # --- what torch calls -----------------------------------------------------------------------------------------

    def _register(self) -> None:
        name, backward = f"archdsl::{self.name}", f"archdsl::{self.name}_backward"
        _LIBRARY.impl(self.name, self._launch_forward, "CUDA")
        _LIBRARY.impl(f"{self.name}_backward", self._launch_backward, "CUDA")
        _LIBRARY.impl(self.name, self._launch_forward if INTERPRETED else self._refer, "CPU")
        _LIBRARY.impl(f"{self.name}_backward", self._launch_backward if INTERPRETED else self._refer_backward, "CPU")
        torch.library.register_fake(name, self.allocate, lib=_LIBRARY)
        torch.library.register_fake(backward, self._allocate_backward, lib=_LIBRARY)
        torch.library.register_autograd(name, self._differentiate, setup_context=self._keep, lib=_LIBRARY)
        torch.library.register_autograd(backward, self._refuse, setup_context=lambda *_, **__: None, lib=_LIBRARY)
        torch.library.register_vmap(name, self._fold, lib=_LIBRARY)
        torch.library.register_vmap(backward, _one_by_one(self.backward), lib=_LIBRARY)
        # torch counts an addition and a multiplication as two
        register_flop_formula(getattr(torch.ops.archdsl, self.name))(self._flops(self.macs))
        register_flop_formula(getattr(torch.ops.archdsl, f"{self.name}_backward"))(self._flops(self.backward_macs))

    def _launch_forward(self, *arguments: Any) -> tuple[Tensor, ...]:
        self._require_kernel(arguments[0])
        with _on_device_of(arguments[0]):
            return self.kernel().forward(*arguments)

    def _launch_backward(self, *arguments: Any) -> Any:
        self._require_kernel(arguments[0])
        with _on_device_of(arguments[0]):
            return _one_or_all(self.kernel().backward(*arguments))

    def _require_kernel(self, like: Tensor) -> None:
        """Raise `RuntimeError` where no kernel runs. Modules choose their reference there; exported programs cannot choose."""
        if (reason := why_no_kernel(like.device, like.dtype)) is not None:
            raise RuntimeError(f"archdsl::{self.name} cannot run here: {reason}; export the program without operators")

    def _refer(self, *arguments: Any) -> tuple[Tensor, ...]:
        # autocast has done its part outside, as for a kernel
        with torch.autocast("cpu", enabled=False):
            found = (self.reference(*arguments), *self.saved(*arguments))
        return tuple(_laid_out(*pair) for pair in zip(found, self.allocate(*arguments), strict=True))

    def _refer_backward(self, grad: Tensor, *arguments: Any) -> Any:
        given = list(arguments[: len(self.arguments)])
        # an operator is opaque: what watches operators sees this one, and not what it is made of
        with _disable_current_modes(), _recording():
            for place in self._wanted:
                given[place] = given[place].detach().requires_grad_()
            wanted = [given[place] for place in self._wanted]
            gradients = torch.autograd.grad(self.reference(*given), wanted, grad)
        return _one_or_all([_laid_out(*pair) for pair in zip(gradients, map(torch.empty_like, wanted), strict=True)])

    def _allocate_backward(self, grad: Tensor, *arguments: Any) -> Any:
        return _one_or_all([torch.empty_like(arguments[place]) for place in self._wanted])

    def _keep(self, ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[: len(self.tensors)], *output)
        ctx.numbers = inputs[len(self.tensors) :]
        ctx.mark_non_differentiable(*output[1:])
        # no zeros are made for the outputs that carry no gradient
        ctx.set_materialize_grads(False)

    def _differentiate(self, ctx: Any, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * len(self.arguments)
        saved, tensors = ctx.saved_tensors, len(self.tensors)
        gradients = self.backward(grad, *saved[:tensors], *ctx.numbers, *saved[tensors:])
        found: list[Tensor | None] = [None] * len(self.arguments)
        for place, gradient in zip(self._wanted, _all(gradients), strict=True):
            found[place] = gradient
        return tuple(found)

    def _refuse(self, *_: Any) -> None:
        raise NotImplementedError(
            f"archdsl::{self.name} has no second derivative: build the model with `kernels=False` to differentiate twice"
        )

    def _fold(self, info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        """The rule of `vmap`: its axis becomes part of the batch; where more than the batch varies, one call for each."""
        varying = {name for name, place in zip(self.arguments, in_dims, strict=True) if place is not None}
        if not varying <= set(self.batched):
            return _one_by_one(self.forward)(info, in_dims, *arguments)
        folded = list(arguments)
        for place, name in enumerate(self.arguments):
            if name in self.batched:
                axis, tensor = in_dims[place], arguments[place]
                many = tensor.expand(info.batch_size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
                folded[place] = many.flatten(0, 1)
        outputs = self.forward(*folded)
        return tuple(output.unflatten(0, (info.batch_size, -1)) for output in outputs), (0,) * len(outputs)

    @staticmethod
    def _flops(macs: Callable[..., int]) -> Callable[..., int]:
        def flops(*arguments: Any, **_: Any) -> int:
            return 2 * macs(*arguments)

        return flops


def _returned(names: Sequence[str]) -> str:
    return "Tensor" if len(names) == 1 else f"({', '.join(f'Tensor {name}' for name in names)})"


def _one_or_all(found: Sequence[Tensor]) -> Any:
    """What an operator returns: one tensor as it is, several as a tuple."""
    return found[0] if len(found) == 1 else tuple(found)


def _all(found: Any) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _laid_out(value: Tensor, like: Tensor) -> Tensor:
    """`value` with the strides of `like`."""
    return value if value.stride() == like.stride() and value.dtype == like.dtype else like.copy_(value)


def _one_by_one(operator: Any) -> Callable[..., tuple[Any, Any]]:
    """A rule of `vmap` that calls an operator for each index of the mapped axis."""

    def rule(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        found = []
        for index in range(info.batch_size):
            here = [
                value if axis is None else value.select(axis, index) for value, axis in zip(arguments, in_dims, strict=True)
            ]
            found.append(_all(operator(*here)))
        outputs = [torch.stack(every) for every in zip(*found, strict=True)]
        return _one_or_all(outputs), 0 if len(outputs) == 1 else (0,) * len(outputs)

    return rule


@contextmanager
def _recording() -> Iterator[None]:
    """Autograd works inside an operator, too, which torch calls below autograd."""
    keys = torch._C.DispatchKey
    excluded = torch._C._dispatch_tls_local_exclude_set()
    for key in (keys.AutogradCPU, keys.AutogradCUDA, keys.AutogradOther, keys.ADInplaceOrView):
        excluded = excluded.remove(key)
    with torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), excluded), torch.enable_grad():
        yield


def _on_device_of(tensor: Tensor) -> Any:
    """Triton launches on the current device, which need not be that of the tensors."""
    return torch.cuda.device_of(tensor)


def normalisers(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Room for logarithms of sums of exponentials: float32, or float64 where the tensors are."""
    return like.new_empty(shape, dtype=torch.float64 if like.dtype == torch.float64 else torch.float32)
