"""Tensors that remember that they depend on the images, and ask a rule at every operation on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

# told the name of an operation with its arguments; what it returns stands in for the result, None leaves the operation alone
Rule = Callable[[str, tuple[Any, ...], Mapping[str, Any]], Tensor | None]

# those that bend at or near zero
_RECTIFIERS = frozenset(("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu"))
ACTIVATIONS = _RECTIFIERS | {"gelu", "silu", "silu_", "hardswish", "mish", "softplus", "elu", "elu_", "celu", "selu"}
NORMS = frozenset(("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"))


class Traced(Tensor):
    """A tensor made of the images. What an operation makes of it is traced, too; weights and tables alone are not."""

    rule: ClassVar[Rule]

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        taken = cls.rule(getattr(func, "__name__", ""), args, given)
        return super().__torch_function__(func, types, args, given) if taken is None else taken


def traced(images: Tensor, rule: Rule) -> Tensor:
    """The images, traced by a rule."""
    return images.as_subclass(type("TracedImages", (Traced,), {"rule": staticmethod(rule)}))


def plain(x: Tensor) -> Tensor:
    """The same values as a tensor like any other."""
    return x.as_subclass(torch.Tensor)


def first(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The tensor that an operation works on."""
    found: Tensor = args[0] if args else kwargs["input"]
    return found
