"""Two shapes of one tensor: the same numbers in the same order, seen with other axes. Free of torch."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_AXES = re.compile(r"(?:1|[a-z]|\([a-z](?: [a-z])+\))(?: (?:1|[a-z]|\([a-z](?: [a-z])+\)))*")
_AXIS = re.compile(r"\([^)]*\)|\S")


class BadAxes(ValueError):
    """Axes that cannot be read; its text says why."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of one shape told by those of another: how many of the other's axes each one has, merged in their order."""

    merged: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many axes the other shape has."""
        return sum(self.merged)

    def of(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape, for the other shape; that one has `rank` axes."""
        rest = iter(shape)
        return tuple(math.prod(next(rest) for _ in range(count)) for count in self.merged)


def read_axes(text: str) -> Axes:
    """Read axes such as `o i 1 1` or `1 (h w) c`. Raises `BadAxes`."""
    if not _AXES.fullmatch(text):
        raise BadAxes("axes are letters and ones with a space between them, and merged ones in `( )`")
    letters = [char for char in text if char.isalpha()]
    if len(set(letters)) < len(letters):
        raise BadAxes("each axis has a letter of its own")
    return Axes(tuple(sum(char.isalpha() for char in axis[0]) for axis in _AXIS.finditer(text)))


def same_order(one: Sequence[int], two: Sequence[int]) -> bool:
    """Whether the second shape is the first but for axes of length one and for adjacent axes written as one, or the reverse."""
    coarse, fine = sorted(([length for length in shape if length != 1] for shape in (one, two)), key=len)
    if 0 in fine or len(coarse) == len(fine):
        return coarse == fine
    rest = iter(fine)
    for length in coarse:
        found = 1
        while found < length:
            found *= next(rest, length + 1)
        if found != length:
            return False
    return next(rest, None) is None
