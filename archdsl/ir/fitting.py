"""Inputs that fit: the nearest sizes at which an arch has no misfitting map."""

from __future__ import annotations

from collections.abc import Callable

from archdsl.ir.part import Arch
from archdsl.schema.units import Size
from archdsl.source.record import replace

# inputs are multiples of this; finer steps would only cost trials
_GRAIN = 4
_LARGEST_STEP = 512
_TRIALS = 80


def fitting_inputs(arch: Arch, fits: Callable[[Arch], bool]) -> list[Size]:
    """The nearest smaller and the nearest larger input that fit, as far as a search in whole steps finds them."""
    size = arch.image.size
    assert size is not None
    found: list[Size] = []
    for candidates in (_below(size), _above(size)):
        for candidate in candidates:
            if fits(replace(arch, image=arch.image.with_size(candidate))):
                found.append(candidate)
                break
    return found


def _below(size: Size) -> list[Size]:
    steps = range(_GRAIN, _LARGEST_STEP, _GRAIN)
    sizes = {Size(size.height // step * step, size.width // step * step) for step in steps}
    return sorted((s for s in sizes if s != size and min(s) > 0), key=lambda s: -s.area)[:_TRIALS]


def _above(size: Size) -> list[Size]:
    sizes = {size.padded_to(Size(step, step)) for step in range(_GRAIN, _LARGEST_STEP, _GRAIN)}
    return sorted((s for s in sizes if s != size), key=lambda s: s.area)[:_TRIALS]
