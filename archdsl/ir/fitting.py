"""Inputs that fit: the nearest sizes at which an arch has no misfitting map."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from archdsl.schema.units import Size

# inputs are multiples of this; finer steps would only cost trials
_GRAIN = 4
# a multiple of one of these meets most constraints: powers of two, and those times windows of 7, 12, 10, 9, 11, 13, 15
_STEPS = (256, 224, 512, 448, 384, 320, 288, 352, 416, 480)
# how many of the numbers nearest to the one given are tried one by one
_NEAR = 24


def fitting_inputs(size: Size, fits: Callable[[Size], bool]) -> list[Size]:
    """The nearest smaller and the nearest larger input that fit, as far as they are found.

    What `fits` says is trusted where it is yes: it may be given so much work and no more, and say no from then on.
    """
    search = _Search(size, fits)
    found = [near for near in (search.above(), search.below()) if near is not None]
    # told apart first and then moved nearer, so that little work is enough for both
    found = [search.nearer(near) for near in found]
    return sorted((near for near in dict.fromkeys(found) if near != size), key=lambda near: near.area)


class _Search:
    """Looks for height and width one after the other, each beside another that is known to fit."""

    def __init__(self, size: Size, fits: Callable[[Size], bool]) -> None:
        self.size = size
        self._fits = fits
        self._known: dict[Size, bool] = {}
        self.step, self.anchor = self._find_anchor()

    def fits(self, size: Size) -> bool:
        if size not in self._known:
            self._known[size] = self._fits(size)
        return self._known[size]

    def _find_anchor(self) -> tuple[int, Size | None]:
        """Some input that fits and is not smaller, with the step that both its numbers are multiples of."""
        for step in _STEPS:
            padded = self.size.padded_to(Size(step, step))
            if self.fits(padded):
                return step, padded
        return 0, None

    def above(self) -> Size | None:
        """An input that fits, not smaller in both, of round numbers."""
        if self.anchor is None:
            return None
        steps = _parts(self.step)
        wide = self.anchor.width
        tall = self._first((-(-self.size.height // step) * step for step in steps), lambda number: Size(number, wide))
        assert tall is not None
        return self._first((-(-self.size.width // step) * step for step in steps), lambda number: Size(tall.height, number))

    def below(self) -> Size | None:
        """An input that fits, not larger in both, of round numbers."""
        if self.anchor is None:
            return None
        steps = _parts(self.step)
        wide = self.anchor.width
        tall = self._first((self.size.height // step * step for step in steps), lambda number: Size(number, wide))
        if tall is None:
            return None
        return self._first((self.size.width // step * step for step in steps), lambda number: Size(tall.height, number))

    def _first(self, numbers: Iterable[int], at: Callable[[int], Size]) -> Size | None:
        tried = (at(number) for number in numbers if number > 0)
        return next((size for size in tried if self.fits(size)), None)

    def nearer(self, found: Size) -> Size:
        """An input that fits between the one searched for and `found`, which fits."""
        here = self.size
        found = self._first(_between(here.height, found.height), lambda number: Size(number, found.width)) or found
        return self._first(_between(here.width, found.width), lambda number: Size(found.height, number)) or found


def _parts(step: int) -> list[int]:
    """1 and the divisors of a step that are multiples of the grain, in rising order."""
    return [1, *(part for part in range(_GRAIN, step + 1, _GRAIN) if step % part == 0)]


def _between(here: int, there: int) -> list[int]:
    """Numbers from `here` towards `there`, the nearest first."""
    if here < there:
        return list(range(-(-here // _GRAIN) * _GRAIN, there, _GRAIN))[:_NEAR]
    return list(range(here // _GRAIN * _GRAIN, there, -_GRAIN))[:_NEAR]
