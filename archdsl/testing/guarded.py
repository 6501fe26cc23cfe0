"""Tensors with guard bands: what is read beyond them spoils the result, what is written beyond them is seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# elements before and after a tensor, more than one tile in a row
_MARGIN = 1024
_WHOLE = {torch.int32, torch.int64}
_ALLOCATIONS = {
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.empty_strided.default,
    torch.ops.aten.empty_like.default,
    torch.ops.aten.new_empty.default,
    torch.ops.aten.new_empty_strided.default,
}


def guarded(tensor: Tensor) -> Tensor:
    """A copy with the same strides that lies between bands of NaN, as do the gaps between its elements.

    Tensors of whole numbers are copied as they are: kernels compute addresses from them.
    """
    if not tensor.is_floating_point():
        return tensor.clone()
    copy = _between_bands(tensor)
    copy.copy_(tensor)
    return copy


def _between_bands(like: Tensor) -> Tensor:
    span = 1 + sum((size - 1) * stride for size, stride in zip(like.shape, like.stride(), strict=True)) if like.numel() else 0
    room = torch.full((span + 2 * _MARGIN,), _blank(like), dtype=like.dtype, device=like.device)
    return room.as_strided(like.shape, like.stride(), _MARGIN)


def _blank(like: Tensor) -> float:
    """What bands are of: NaN; of whole numbers -1, an address before the tensor that it counts in, and the word of all bits."""
    return float("nan") if like.is_floating_point() else -1


def _is_blank(band: Tensor) -> bool:
    return bool((band.isnan() if band.is_floating_point() else band == _blank(band)).all())


class Canaries(TorchDispatchMode):
    """While it is on, memory that is allocated is filled with NaN and lies between bands of NaN that `check` looks at.

    Memory for signed whole numbers likewise, with -1.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in _ALLOCATIONS and (found.is_floating_point() or found.dtype in _WHOLE) and found.numel():
            found = _between_bands(found)
            self._rooms.append(found)
        return found

    def check(self) -> None:
        """Raise `AssertionError` where something was written beyond what was allocated."""
        for room in self._rooms:
            whole = room.as_strided((room.untyped_storage().nbytes() // room.element_size(),), (1,), 0)
            for band, where in ((whole[:_MARGIN], "before"), (whole[-_MARGIN:], "after")):
                assert _is_blank(band), f"something was written {where} a tensor {tuple(room.shape)}"
