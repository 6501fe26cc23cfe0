"""How a pooling with TensorFlow's padding is said in PyTorch's terms."""

from __future__ import annotations

from typing import NamedTuple

from archdsl.schema.sliding import padding
from archdsl.schema.units import Size


class Pooling(NamedTuple):
    """Arguments of a PyTorch pooling; of the result, the first `crop` rows and columns are to be left out."""

    padding: tuple[int, int]
    ceil_mode: bool
    crop: tuple[int, int]


def pooling(size: Size, kernel: Size, stride: Size, pad: str | None) -> Pooling:
    """The pooling that leaves padded positions out, as PyTorch's own padding does and padding beforehand would not.

    PyTorch pads both sides alike. Where one more is needed at the end, a stride above 1 gets it by rounding up the number
    of places, and a stride of 1 by one more on both sides with the first place left out.
    """
    added = padding(size, kernel, stride, pad)
    vertical = _axis(added.top, added.bottom, stride.height)
    horizontal = _axis(added.left, added.right, stride.width)
    return Pooling((vertical[0], horizontal[0]), vertical[1] or horizontal[1], (vertical[2], horizontal[2]))


def _axis(before: int, after: int, stride: int) -> tuple[int, bool, int]:
    if before == after:
        return before, False, 0
    return (before, True, 0) if stride > 1 else (after, False, 1)
