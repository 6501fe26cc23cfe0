"""The feasible point nearest to one that may not be feasible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random

import numpy as np

from archdsl.feasible.draws import Draws, distances
from archdsl.feasible.structure import Structure
from archdsl.feasible.sums import coarse_sums
from archdsl.feasible.trace import Answer, Key
from archdsl.feasible.window import Window
from archdsl.ir.decisions import Decision, Point

# whole sums that are tried for one point, and how often a sum on the edge is tried again
_TOTALS = 3
_TRIES = 8


class Nearest:
    """Finds near points along coarse sums: there many points share a cell, so that much of what is wanted can be kept."""

    def __init__(self, structure: Structure, window: Window, fine: Draws) -> None:
        self.structure = structure
        self.window = window
        self.fine = fine
        self.draws = Draws(coarse_sums(structure, window), window)
        sums = self.draws.sums
        self._amounts = np.array(sums.amounts(np.array(self.draws.totals, np.int64)), np.int64).T
        self._steps = {decision.key: _steps(decision) for decision in structure.space.decisions}

    def find(self, point: Point, costs: Sequence[int] | None, random: Random) -> Mapping[Key, Answer]:
        """A feasible point with what `point` has, as far as that goes. `costs` are those of the point, if it can be built."""
        wanted: dict[Key, Mapping[Answer, float]] = {key: self._steps[key][value] for key, value in point.items()}
        known = distances(self.draws, wanted)
        for _ in range(_TRIES if self.draws else 0):
            best: tuple[float, Mapping[Key, Answer]] | None = None
            for total in self._totals(costs, random):
                away, path = self.draws.near(total, random, known)
                if self.window.holds(path.costs) and (best is None or away < best[0]):
                    best = away, path.point
            if best is not None:
                return best[1]
        return self.fine.inside(random)

    def _totals(self, costs: Sequence[int] | None, random: Random) -> list[int]:
        """The whole sum nearest to that of the point, and some others by how many points have them."""
        found = [self.draws.total(random) for _ in range(_TOTALS)]
        if costs is not None and costs:
            sums = self.draws.sums
            cells = (np.array(costs, np.int64) - sums.base) / sums.cells
            scale = np.maximum(sums.high - sums.low, 1)
            away = np.abs((self._amounts - cells) / scale).sum(axis=1)
            found[0] = self.draws.totals[int(away.argmin())]
        return found


def _steps(decision: Decision) -> dict[int | Fraction, dict[Answer, float]]:
    """For each value of a decision how far the others are: the share of the range for numbers, all of it for alternatives."""
    values = decision.values
    ordered = decision.is_range
    length = max(len(values) - 1, 1)
    return {
        value: {
            other: 0.0 if a == b else 0.25 + 0.75 * abs(a - b) / length if ordered else 1.0 for b, other in enumerate(values)
        }
        for a, value in enumerate(values)
    }
