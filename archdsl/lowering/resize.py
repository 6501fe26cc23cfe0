"""Weights with an entry for each position of a grid, made into those of a grid of another size."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt, prod

import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.schema.grid import Grid
from archdsl.schema.units import Size

# of a table that is resized; a checkpoint may claim more than it holds
_POSITIONS = 2**20


def given_size(given: Sequence[int], own: Sequence[int], grid: Grid, *, published: bool) -> Size | None:
    """The grid that weights of the shape `given` are for, where they differ from the shape `own` in the grid alone.

    None where they differ otherwise, or have no positions, or more than a table may have.

    Positions on one axis are those of a grid in the proportions of the own one, or of a square: in `published` weights of a
    square first, for which nearly all are made.
    """
    before, after = prod(own[: grid.axis]), _after(own, grid)
    for axis, length in enumerate(given):
        if prod(given[:axis]) == before and prod(given[axis + 1 :]) == after:
            return _within(_on_one_axis(length - grid.extra, grid.size, square_first=published))
    for axis in range(len(given) - 1):
        if not grid.extra and prod(given[:axis]) == before and prod(given[axis + 2 :]) == after:
            return _within(Size(given[axis], given[axis + 1]))
    return None


def resize(given: Tensor, size: Size, own: Sequence[int], grid: Grid) -> Tensor:
    """Weights for a grid of `size` at the size of `grid`, in the shape `own`; those of the extra tokens stay as they are."""
    before, after = prod(own[: grid.axis]), _after(own, grid)
    table = given.reshape(before, grid.extra + size.area, after)
    extra, positions = table[:, : grid.extra], table[:, grid.extra :]
    positions = positions.reshape(before, *size, after).permute(0, 3, 1, 2).to(torch.float32)
    positions = F.interpolate(positions, size=tuple(grid.size), mode=grid.by, align_corners=False)
    positions = positions.permute(0, 2, 3, 1).reshape(before, grid.size.area, after).to(given.dtype)
    return torch.cat([extra, positions], dim=1).reshape(tuple(own))


def _after(own: Sequence[int], grid: Grid) -> int:
    return prod(own) // (prod(own[: grid.axis]) * (grid.extra + grid.size.area))


def _within(size: Size | None) -> Size | None:
    return size if size is not None and 0 < size.area <= _POSITIONS else None


def _on_one_axis(count: int, like: Size, *, square_first: bool) -> Size | None:
    if count < 1:
        return None
    side = isqrt(count)
    square = Size(side, side) if side * side == count else None
    return (square or _proportional(count, like)) if square_first else (_proportional(count, like) or square)


def _proportional(count: int, like: Size) -> Size | None:
    height = isqrt(count * like.height // like.width)
    fits = height > 0 and height * height * like.width == count * like.height and count % height == 0
    return Size(height, count // height) if fits else None
