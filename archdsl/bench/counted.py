"""Bytes that operators of torch read and write, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Beside = Callable[[Any, tuple[Any, ...]], int]
"""What a call of an operator moves beside its arguments and outputs, each once."""

_ALLOCATIONS = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided", "empty_permuted")
# views that their schema does not call so
_VIEWS = ("_unsafe_view", "lift_fresh", "_reshape_alias")
# what they are given tells a shape, or is written without being read
_UNREAD = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "zero_", "fill_", "copy_")


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor; an axis of stride 0 has them once."""
    counts = (size if stride or size == 0 else 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return prod(counts) * tensor.element_size()


def all_bytes(values: Iterable[Any]) -> int:
    """Bytes of the tensors among some values, each once."""
    found = {id(value): value for value in tree_leaves(list(values)) if isinstance(value, Tensor)}
    return sum(map(tensor_bytes, found.values()))


def call_bytes(function: Any, arguments: tuple[Any, ...], named: dict[str, Any], found: Any) -> int:
    """Bytes that one call of an operator reads and writes: arguments and outputs once each, none for views."""
    namespace, _, name = function._schema.name.partition("::")
    if namespace == "prim" or name in _ALLOCATIONS or name in _VIEWS or _is_view(function):
        return 0
    read = arguments[1:] if name in _UNREAD else arguments
    return all_bytes([*read, *named.values()]) + all_bytes([found])


class Counter(TorchDispatchMode):
    """While it is on, adds up in `bytes` what every operator of torch reads and writes. Views are free."""

    def __init__(self, beside: Beside = lambda function, arguments: 0) -> None:
        super().__init__()
        self.bytes = 0
        self._beside = beside

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.bytes += call_bytes(func, args, kwargs or {}, found) + self._beside(func, args)
        return found


def _is_view(function: Any) -> bool:
    """Whether an operator returns memory that it was given, and writes none of it."""
    aliases = [output.alias_info for output in function._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)
