"""Shapes that operators are checked and measured at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A shape of an operator.

    The module `samples` of a component with a kernel has `PUBLISHED`, those of published backbones, and `ODD`, small ones with
    all that is awkward: maps that are not square, tiles in part, heads that are no power of two. `LARGEST` are those that take
    most of a GPU, as large as `supports` allows: the kernels have to fit every GPU that they are for. Its function
    `draw(sample, batch, *, dtype, device, seed=0)` makes arguments of the operator, with standard normal numbers where
    projections would be.

    `name` is that of a published backbone and its stage, such as `biformer_t s1`, or says what is odd.
    """

    name: str
    shape: Mapping[str, int]

    def __str__(self) -> str:
        return self.name
