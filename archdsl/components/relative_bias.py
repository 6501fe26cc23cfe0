"""Tables with a number for each step from one position of a window to another."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def resized(table: Tensor, window: tuple[int, int]) -> Tensor:
    """A table [heads, 2h-1, 2w-1] brought to those of another window, bilinearly; as it is where it has the size already."""
    steps = (2 * window[0] - 1, 2 * window[1] - 1)
    if tuple(table.shape[1:]) == steps:
        return table
    return F.interpolate(table[None], size=steps, mode="bilinear", align_corners=False)[0]


def expanded(table: Tensor, window: tuple[int, int]) -> Tensor:
    """A table [heads, 2h-1, 2w-1] written out for all pairs: [heads, hw, hw], queries, then keys, both row by row.

    The entry of a query at (i, j) and a key at (x, y) is `table[:, x - i + h - 1, y - j + w - 1]`.
    """
    height, width = window
    # along an axis the keys of one query are neighbours in the table, and those of the next query begin one earlier
    pairs = table.unfold(1, height, 1).unfold(2, width, 1).flip((1, 2))  # [heads, h, w, h, w]
    return pairs.reshape(-1, height * width, height * width)
