"""Points drawn along the sums of a space: uniformly, or as near as can be to what is wanted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from archdsl.feasible.cheapest import narrow
from archdsl.feasible.structure import Assignment
from archdsl.feasible.sums import Part, Sums
from archdsl.feasible.trace import Answer, Key
from archdsl.feasible.window import Window
from archdsl.source.diagnostic import SpecError
from archdsl.source.record import dataclass

if TYPE_CHECKING:
    from archdsl.feasible.sums import Real, Whole


# draws that may miss the window one after the other: some seconds
_TRIES = 20_000


@dataclass(frozen=True, slots=True)
class Path:
    """A way through all layers: what it decides, and its costs in the order of the bounds."""

    point: dict[Key, Answer]
    costs: tuple[int, ...]


class Draws:
    """Draws paths whose sum in cells may lie in the window: each such path is as likely as any other."""

    def __init__(self, sums: Sums, window: Window) -> None:
        self.sums = sums
        self.window = window
        self.layers = sums.layers
        totals, counts = sums.totals()
        self.totals = totals.tolist()
        self.heaped = list(accumulate(counts.tolist()))

    def __bool__(self) -> bool:
        return bool(self.totals)

    def inside(self, random: Random) -> dict[Key, Answer]:
        """What a path inside the window decides, each as likely as any other.

        Raises
        ------
        SpecError: none of very many draws was inside: what may fit is a vanishing share of what comes near.
        """
        for _ in range(_TRIES):
            path = self.uniform(random)
            # a cell on the edge of the window has some that lie outside: drawing again keeps the rest equally likely
            if self.window.holds(path.costs):
                return path.point
        raise SpecError([narrow(self.sums.structure, _TRIES)])

    def uniform(self, random: Random) -> Path:
        """A path, each as likely as any other."""

        def choose(index: int, table: int, groups: Whole, weights: Real) -> tuple[int, Assignment]:
            group = int(groups[0]) if len(groups) == 1 else int(groups[_heap(np.cumsum(weights), random)])
            ways = self.layers[index].tables[table].groups[group].assignments
            return group, ways[0] if len(ways) == 1 else random.choice(ways)

        return self._walk(self.total(random), choose)

    def total(self, random: Random) -> int:
        """A whole sum, as likely as there are paths that have it."""
        return int(self.totals[_heap(self.heaped, random)])

    def near(self, total: int, random: Random, known: _Distances) -> tuple[float, Path]:
        """A path of one total that keeps what is wanted as far as it goes, layer by layer; and how far it is from that."""
        away = 0.0

        def choose(index: int, table: int, groups: Whole, weights: Real) -> tuple[int, Assignment]:
            nonlocal away
            distances, best = known.of(index, table)
            here = distances[groups]
            least = float(here.min())
            away += least
            ties = np.flatnonzero(here <= least + 1e-9)
            place = int(ties[0]) if len(ties) == 1 else int(ties[_heap(np.cumsum(weights[ties]), random)])
            group = int(groups[place])
            return group, random.choice(best[group])

        return away, self._walk(total, choose)

    def _walk(self, total: int, choose: Callable[[int, int, Whole, Real], tuple[int, Assignment]]) -> Path:
        """Go from state to state: `choose` among the groups from which the rest of the total can still be made."""
        sums = self.sums
        point: dict[Key, Answer] = {}
        costs = [0] * len(sums.structure.bounds)
        state, rest = 0, total
        for index, layer in enumerate(self.layers):
            table, following = layer.states[state]
            parts = sums.parts[index][table]
            groups, weights = _open(parts, sums.coming[index + 1], following, rest)
            number, assignment = choose(index, table, groups, weights)
            group = layer.tables[table].groups[number]
            point.update(assignment)
            for place, cost in enumerate(group.costs):
                costs[place] += cost
            state = following[group.step]
            rest -= sums.shifts[index][table][number]
        return Path(point, tuple(costs))


def _open(
    parts: Sequence[Part], after: Sequence[tuple[Whole, Real]], following: Sequence[int], rest: int
) -> tuple[Whole, Real]:
    """The groups after which the rest can be made, and in how many ways."""
    if len(parts) == 1 and len(parts[0].groups) == 1:
        return parts[0].groups, parts[0].ways
    groups, weights = [], []
    for part in parts:
        keys, counts = after[following[part.step]]
        if not len(keys):
            continue
        wanted = rest - part.shifts
        places = np.searchsorted(keys, wanted)
        places[places == len(keys)] = 0
        here = np.flatnonzero(keys[places] == wanted)
        groups.append(part.groups[here])
        weights.append(counts[places[here]] * part.ways[here])
    return np.concatenate(groups), np.concatenate(weights)


def _heap(heaped: Sequence[float] | Real, random: Random) -> int:
    """A place, as likely as its share of what is heaped up."""
    return min(bisect_right(heaped, random.random() * float(heaped[-1])), len(heaped) - 1)


class _Distances:
    """How far the groups of each table are from what is wanted, and the assignments of each that come nearest."""

    def __init__(self, draws: Draws, wanted: Mapping[Key, Mapping[Answer, float]]) -> None:
        self.draws = draws
        self.wanted = wanted
        self._known: dict[tuple[int, int], tuple[Real, list[list[Assignment]]]] = {}

    def of(self, index: int, table: int) -> tuple[Real, list[list[Assignment]]]:
        found = self._known.get((index, table))
        if found is None:
            distances, nearest = [], []
            for group in self.draws.layers[index].tables[table].groups:
                each = [self._distance(assignment) for assignment in group.assignments]
                least = min(each)
                distances.append(least)
                nearest.append([a for a, d in zip(group.assignments, each, strict=True) if d <= least + 1e-9])
            found = self._known[index, table] = (np.array(distances), nearest)
        return found

    def _distance(self, assignment: Assignment) -> float:
        wanted = self.wanted
        return sum(wanted[key][answer] for key, answer in assignment if key in wanted)


def distances(draws: Draws, wanted: Mapping[Key, Mapping[Answer, float]]) -> _Distances:
    """The distances of all groups from what is wanted: `wanted` has, for a decision, how far each value is."""
    return _Distances(draws, wanted)
