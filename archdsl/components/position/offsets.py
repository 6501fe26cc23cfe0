"""Distances along one axis, from its positions to the centres of the cells it is pooled into. Free of torch.

Centres lie on positions or halfway between two, so that all is counted in half steps, which are whole numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from archdsl.schema.units import Size

HIDDEN = 512
"""Width of the map from a distance to the biases of the heads."""


class Offsets(NamedTuple):
    """The distances that occur along an axis, each once in order, and which of them each position has to each cell."""

    half_steps: tuple[int, ...]
    which: tuple[int, ...]


def centres(length: int, cells: int) -> tuple[int, ...]:
    """Of each cell the mean of its positions, in half steps. Cells of an axis that they do not divide overlap by one."""
    return tuple(length * cell // cells - (-length * (cell + 1) // cells) - 1 for cell in range(cells))


def offsets(length: int, cells: int) -> Offsets:
    """The distances along an axis of `length` positions; those of a position to all cells stand together."""
    centre = centres(length, cells)
    pairs = [2 * position - other for position in range(length) for other in centre]
    found = tuple(sorted(set(pairs)))
    place = {half_steps: index for index, half_steps in enumerate(found)}
    return Offsets(found, tuple(place[pair] for pair in pairs))


def distinct(length: int, cells: int) -> int:
    """How many different distances occur along an axis."""
    # a cell gives one distance in two half steps; those of even centres join without a gap, and so do those of odd ones
    count = 0
    for odd in (0, 1):
        alike = [centre for centre in centres(length, cells) if centre % 2 == odd]
        if alike:
            count += length + (max(alike) - min(alike)) // 2
    return count


def rows(size: Size, cells: Size) -> int:
    """How many different pairs of distances, down and across, occur on a map."""
    return distinct(size.height, cells.height) * distinct(size.width, cells.width)


def bias_weights(heads: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of a `PositionBias`."""
    return {"fc1.weight": (HIDDEN, 2), "fc1.bias": (HIDDEN,), "fc2.weight": (heads, HIDDEN), "fc2.bias": (heads,)}


def bias_undecayed() -> tuple[str, ...]:
    """Those of them that are published to be trained without weight decay, beside biases."""
    return ("fc1.weight", "fc2.weight")


def bias_linear(size: Size, cells: Size, heads: int) -> int:
    """Operations of a `PositionBias`, all in linear maps; the same for any number of images."""
    return rows(size, cells) * HIDDEN * (2 + heads)
