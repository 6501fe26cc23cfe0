"""Weights that have an entry for each position of a grid, and how they become those of another grid."""

from __future__ import annotations

from typing import Literal

from archdsl.schema.units import Size
from archdsl.source.record import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """The positions in a tensor of weights, as its paper resizes them.

    The tensor has `axis` axes, then the positions, then others. The positions are the `extra` tokens, which keep their
    entries, and those of the grid of `size` row by row, on one axis; without `extra` they may be two axes, height and width.
    `by` is how the entries of the grid are interpolated, in float32, with half-pixel centres and without antialiasing.
    """

    size: Size
    extra: int = 0
    axis: int = 0
    by: Literal["bicubic", "bilinear"] = "bicubic"
