"""How a kernel slides over a map: what is padded, and the size that comes out."""

from __future__ import annotations

from typing import NamedTuple

from archdsl.schema.units import Size


class Padding(NamedTuple):
    """Positions added at each side."""

    top: int
    bottom: int
    left: int
    right: int


def _same(length: int, kernel: int, stride: int) -> tuple[int, int]:
    out = -(-length // stride)
    total = max((out - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _centred(kernel: int) -> tuple[int, int]:
    side = (kernel - 1) // 2 if kernel % 2 else 0
    return side, side


def padding(size: Size, kernel: Size, stride: Size, pad: str | None) -> Padding:
    """What is added around a map of `size`.

    Without `pad` an odd kernel is centred on its position and an even one is not padded, along each axis by itself. `"same"`
    is TensorFlow's rule: as many positions come out as the stride fits into the map, rounded up; of an odd number of
    padded positions the larger half is at the bottom and at the right.
    """
    if pad == "same":
        vertical = _same(size.height, kernel.height, stride.height)
        horizontal = _same(size.width, kernel.width, stride.width)
    else:
        vertical, horizontal = _centred(kernel.height), _centred(kernel.width)
    return Padding(*vertical, *horizontal)


def slid(size: Size, kernel: Size, stride: Size, padded: Padding) -> Size:
    """The places of a kernel on a padded map; below 1 where it does not fit."""
    height = size.height + padded.top + padded.bottom - kernel.height
    width = size.width + padded.left + padded.right - kernel.width
    return Size(height // stride.height + 1, width // stride.width + 1)
