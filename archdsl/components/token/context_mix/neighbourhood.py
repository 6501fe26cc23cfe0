"""Sums over the neighbourhood of each position, with windows that are shifted inward at the border."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import add

import torch
from torch import Tensor


def neighbourhood_sum(weight: Tensor, value: Tensor) -> Tensor:
    """The sum of the values in the window of each position, each times its weight.

    Parameters
    ----------
    weight: [B, G, H, W, kh, kw], for each position the weights of its window, row by row.
    value: [B, G, d, H, W] with H >= kh and W >= kw.

    Returns
    -------
    [B, G, d, H, W]
    """
    height, width = weight.shape[4:]
    rows = []
    for row, above in _runs(value.shape[3], height):
        line = []
        for column, left in _runs(value.shape[4], width):
            windows = value[..., above, left].unfold(3, height, 1).unfold(4, width, 1)  # a view: [B, G, d, n, m, kh, kw]
            own = weight[:, :, None, row, column]
            # one row of the window after the other: the products of all taps at once would be many times the map
            line.append(reduce(add, ((own[..., tap, :] * windows[..., tap, :]).sum(-1) for tap in range(height))))
        rows.append(torch.cat(line, 4))
    return torch.cat(rows, 3)


def position_bias(table: Tensor, height: int, width: int) -> Tensor:
    """The bias of each position for the taps of its window, by where they lie from it: [G, H, W, kh, kw].

    `table` [G, 2 kh - 1, 2 kw - 1] has a bias for each distance, from the farthest above and left to the farthest below and
    right.
    """
    kernel = ((table.shape[1] + 1) // 2, (table.shape[2] + 1) // 2)
    # the first axes: which place in its window a position has
    windows = table.unfold(1, kernel[0], 1).unfold(2, kernel[1], 1).flip(1, 2)  # [G, kh, kw, kh, kw]
    return _at_positions(_at_positions(windows, 1, height), 2, width)


def _runs(length: int, kernel: int) -> Iterator[tuple[slice, slice]]:
    """Positions of an axis whose windows are told alike: one window for all of them, or one for each.

    With the positions comes what their windows cover.
    """
    last, half = length - kernel, kernel // 2
    if not last:
        yield slice(0, length), slice(0, length)
        return
    yield slice(0, half + 1), slice(0, kernel)
    if last > 1:
        yield slice(half + 1, half + last), slice(1, length - 1)
    yield slice(half + last, length), slice(last, length)


def _at_positions(windows: Tensor, axis: int, length: int) -> Tensor:
    """What was told for the places in a window, told for the positions of an axis: in the middle they share one place."""
    kernel = windows.shape[axis]
    half = kernel // 2
    shape = list(windows.shape)
    shape[axis] = length - kernel + 1
    middle = windows.narrow(axis, half, 1).expand(shape)
    return torch.cat([windows.narrow(axis, 0, half), middle, windows.narrow(axis, half + 1, kernel - half - 1)], axis)
