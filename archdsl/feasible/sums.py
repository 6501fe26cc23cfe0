"""How many specs of a space cost how much: the sums of costs that are still to come from each state, and how often each comes.

Sums are exact while there are few of them. When there are too many, neighbours share a cell: then each cost is rounded down
to a number of cells, and what the rounding hides is known, so that a budget lies between two counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import inf
from operator import mul
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archdsl.feasible.fusing import fused
from archdsl.feasible.structure import Structure, Table
from archdsl.feasible.window import Window
from archdsl.source.record import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Whole: TypeAlias = NDArray[np.int64]
    Real: TypeAlias = NDArray[np.float64]

# sums that one layer may hold before equal ones are put together
_SUMS = 8_000_000
# where that may make all of them exact, more; a large space seldom has so few sums, and finding that out must not take long
_MANY = 20_000_000
_FEW = 2_000_000
_LARGE = 10**10
# cells between the least and the most of a quantity, at first
_COARSEST = 128
# numbers of all quantities together
_LONGEST = 2**62
# whole numbers up to here are counted exactly
_EXACT = 2.0**53


@dataclass(slots=True)
class Part:
    """The groups of a table that make one step: how far each moves the sum, in how many ways, and which groups they are."""

    step: int
    shifts: Whole
    ways: Real
    groups: Whole


class TooMany(Exception):
    """More sums than can be held, or too long ones."""


class Sums:
    """The sums of a structure inside a window.

    `cells` has the size of a cell in each quantity: its greatest common step where sums are exact. `coming[layer][state]` has
    the sums that are still to come, sorted, and how often each comes.
    """

    def __init__(self, structure: Structure, window: Window, cells: Sequence[int] | None = None, *, most: int = _SUMS) -> None:
        self.structure = structure
        self.layers = fused(structure.layers)
        self.window = window
        self.most = most
        self.held = 0
        self._measure(cells)
        self.coming = self._backwards()

    # --- costs in cells -----------------------------------------------------------------------------------------

    def _measure(self, cells: Sequence[int] | None) -> None:
        """The costs of all groups in cells, and what rounding leaves over at least and at most along a path."""
        layers = self.layers
        number = len(self.structure.bounds)
        costs = [
            [
                np.array([group.costs for group in table.groups], np.int64).reshape(len(table.groups), number)
                for table in layer.tables
            ]
            for layer in layers
        ]
        nothing = np.zeros(number, np.int64)
        joined = [np.concatenate(tables) if tables else np.zeros((0, number), np.int64) for tables in costs]
        base = [every.min(axis=0) if len(every) else nothing for every in joined]
        # all costs of a layer have its least in common, and the rest often has a common step
        common = nothing.copy()
        for every, least in zip(joined, base, strict=True):
            if len(every):
                common = np.gcd(common, np.gcd.reduce(every - least, axis=0))
        exact = np.maximum(common, 1)
        self.cells = exact if cells is None else np.maximum(np.array(cells, np.int64) // exact, 1) * exact
        self.base = sum(base, nothing)
        self.left_least, self.left_most = nothing.copy(), nothing.copy()
        reach = nothing.copy()
        for every, least in zip(joined, base, strict=True):
            if len(every):
                rest = (every - least) % self.cells
                self.left_least = self.left_least + rest.min(axis=0)
                self.left_most = self.left_most + rest.max(axis=0)
                reach = reach + ((every - least) // self.cells).max(axis=0)
        self._limit(reach)
        # one number for all quantities together: the first varies fastest. Two of them added, or one taken from another,
        # stay apart in each quantity
        self.width = 2 * self.top + 2
        # counted in whole numbers of any size: what does not fit 64 bits must not wrap around
        strides = list(accumulate((int(width) for width in self.width), mul, initial=1))
        if strides.pop() > _LONGEST:
            raise TooMany
        self.strides = np.array(strides, np.int64)
        self.moves = [[(table - least) // self.cells for table in tables] for tables, least in zip(costs, base, strict=True)]
        self.shifts = [[(moves @ self.strides).tolist() for moves in tables] for tables in self.moves]
        self.parts = [
            [self._parts(table, moves) for table, moves in zip(layer.tables, layer_moves, strict=True)]
            for layer, layer_moves in zip(layers, self.moves, strict=True)
        ]

    def _limit(self, reach: Whole) -> None:
        """The cells that a whole sum may lie in: surely inside the window, perhaps inside, and none beyond."""
        sure_low, sure_high, low, high = [], [], [], []
        ends = zip(self.window.least, self.window.most, self.base, self.cells, self.left_least, self.left_most, strict=True)
        for (least, most, base, cell, rest_least, rest_most), top in zip(ends, reach, strict=True):
            # the sum of a cell t is base + t * cell, and between the two rests more
            low.append(0 if least is None else max(0, -((base + rest_most - least) // cell)))
            sure_low.append(0 if least is None else max(0, -((base + rest_least - least) // cell)))
            high.append(int(top) if most is None else min(int(top), (most - base - rest_least) // cell))
            sure_high.append(int(top) if most is None else min(int(top), (most - base - rest_most) // cell))
        self.low, self.high = np.array(low, np.int64), np.array(high, np.int64)
        self.sure_low, self.sure_high = np.array(sure_low, np.int64), np.array(sure_high, np.int64)
        self.top = np.maximum(self.high, 0)

    def _parts(self, table: Table, moves: Whole) -> tuple[Part, ...]:
        steps = np.array([group.step for group in table.groups], np.int64)
        ways = np.array([len(group.assignments) for group in table.groups], np.float64)
        # a move beyond the window ends outside whatever follows
        inside = (moves <= self.top).all(axis=1) if moves.shape[1] else np.ones(len(moves), bool)
        found = []
        for step in range(len(table.steps)):
            groups = np.flatnonzero((steps == step) & inside)
            if len(groups):
                found.append(Part(step, moves[groups] @ self.strides, ways[groups], groups))
        return tuple(found)

    # --- the sums -----------------------------------------------------------------------------------------------

    def _before(self) -> list[tuple[Whole, Whole]]:
        """The least and the most cells that a path can have gone through before each state of each layer."""
        number = len(self.structure.bounds)
        least, most = np.zeros((1, number), np.int64), np.zeros((1, number), np.int64)
        found = [(least, most)]
        for index, layer in enumerate(self.layers):
            after = 1 + max((step for _, following in layer.states for step in following), default=0)
            least_after = np.full((after, number), np.iinfo(np.int64).max // 4)
            most_after = np.full((after, number), -1, np.int64)
            ranges = [
                {
                    part.step: (self.moves[index][t][part.groups].min(axis=0), self.moves[index][t][part.groups].max(axis=0))
                    for part in parts
                }
                for t, parts in enumerate(self.parts[index])
            ]
            for state, (table, following) in enumerate(layer.states):
                if most[state].min(initial=0) < 0:
                    continue
                for step, (a, b) in ranges[table].items():
                    goes = following[step]
                    least_after[goes] = np.minimum(least_after[goes], least[state] + a)
                    most_after[goes] = np.maximum(most_after[goes], most[state] + b)
            least, most = least_after, most_after
            found.append((least, most))
        return found

    def _backwards(self) -> list[list[tuple[Whole, Real]]]:
        layers = self.layers
        before = self._before()
        last = 1 + max((step for _, following in layers[-1].states for step in following), default=0)
        after: list[tuple[Whole, Real]] = [(np.zeros(1, np.int64), np.ones(1))] * last
        found = [after]
        for index in range(len(layers) - 1, -1, -1):
            here: list[tuple[Whole, Real]] = []
            held = 0
            # states that have one table and go on to the same states have the same sums
            alike: dict[tuple[int, tuple[int, ...]], tuple[Whole, Real]] = {}
            for state, row in enumerate(layers[index].states):
                sums = alike.get(row)
                if sums is None:
                    pieces = [(part, after[row[1][part.step]]) for part in self.parts[index][row[0]]]
                    held += sum(len(part.shifts) * len(sums[0]) for part, sums in pieces)
                    if held > self.most:
                        raise TooMany
                    sums = alike[row] = self._merged(pieces)
                here.append(self._pruned(sums, before[index][0][state], before[index][1][state]))
            self.held = max(self.held, held)
            found.append(here)
            after = here
        return found[::-1]

    def _merged(self, pieces: Sequence[tuple[Part, tuple[Whole, Real]]]) -> tuple[Whole, Real]:
        pieces = [(part, sums) for part, sums in pieces if len(sums[0])]
        if not pieces:
            return np.zeros(0, np.int64), np.zeros(0)
        if len(pieces) == 1 and len(pieces[0][0].shifts) == 1:
            part, (sums, counts) = pieces[0]
            return sums + part.shifts[0], counts * part.ways[0]
        sums = np.concatenate([(part.shifts[:, None] + sums).ravel() for part, (sums, _) in pieces])
        counts = np.concatenate([(part.ways[:, None] * counts).ravel() for part, (_, counts) in pieces])
        order = np.argsort(sums, kind="stable")
        sums, counts = sums[order], counts[order]
        starts = np.flatnonzero(np.concatenate([[True], sums[1:] != sums[:-1]]))
        return sums[starts], np.add.reduceat(counts, starts)

    def _pruned(self, sums: tuple[Whole, Real], least: Whole, most: Whole) -> tuple[Whole, Real]:
        """Without the sums that end outside the window whatever came before."""
        keys, counts = sums
        keep = np.ones(len(keys), bool)
        for place, amount in enumerate(self.amounts(keys)):
            keep &= (amount + least[place] <= self.high[place]) & (amount + most[place] >= self.low[place])
        return (keys, counts) if keep.all() else (keys[keep], counts[keep])

    def amounts(self, keys: Whole) -> list[Whole]:
        """The cells in each quantity that sums stand for."""
        return [(keys // stride) % width for stride, width in zip(self.strides, self.width, strict=True)]

    # --- what they say ------------------------------------------------------------------------------------------

    def counted(self) -> tuple[int, int]:
        """How many specs surely lie in the window, and how many may."""
        keys, counts = self.coming[0][0]
        inside, perhaps = np.ones(len(keys), bool), np.ones(len(keys), bool)
        for place, amount in enumerate(self.amounts(keys)):
            inside &= (amount >= self.sure_low[place]) & (amount <= self.sure_high[place])
            perhaps &= (amount >= self.low[place]) & (amount <= self.high[place])
        return _below(float(counts[inside].sum())), _above(float(counts[perhaps].sum()))

    def totals(self) -> tuple[Whole, Real]:
        """The whole sums that may lie in the window, and how many specs have each."""
        keys, counts = self.coming[0][0]
        keep = np.ones(len(keys), bool)
        for place, amount in enumerate(self.amounts(keys)):
            keep &= (amount >= self.low[place]) & (amount <= self.high[place])
        return keys[keep], counts[keep]


def _below(count: float) -> int:
    """A whole number that is surely not more; beyond 2^53 each of some thousand additions may have rounded."""
    return int(count) if count < _EXACT else int(count * (1 - 1e-9))


def _above(count: float) -> int:
    return int(count) if count < _EXACT else int(count * (1 + 1e-9)) if count < inf else 0


def sums_of(structure: Structure, window: Window) -> Sums:
    """The sums of a structure: exact if they can be held, otherwise in cells as fine as can be."""
    try:
        return Sums(structure, window, most=_MANY if structure.space.points <= _LARGE else _FEW)
    except TooMany:
        pass
    resolution = _COARSEST
    found = None
    while found is None:
        try:
            found = Sums(structure, window, _cells(structure, window, resolution))
        except TooMany:
            # many quantities take many bits: with one cell each they always fit
            if resolution == 1:
                raise
            resolution //= 2
    # twice as fine makes up to four times as many
    while found.held * 4 <= _SUMS:
        resolution *= 2
        try:
            found = Sums(structure, window, _cells(structure, window, resolution))
        except TooMany:
            break
    return found


def coarse_sums(structure: Structure, window: Window) -> Sums:
    """Sums in cells so coarse that many points share one, and yet fine enough that some cells lie surely inside the window."""
    resolution = _COARSEST // 2
    while True:
        try:
            found = Sums(structure, window, _cells(structure, window, resolution))
        except TooMany:
            return sums_of(structure, window)
        lower, upper = found.counted()
        if lower * 2 >= upper or resolution >= 4096:
            return found
        resolution *= 2


def _cells(structure: Structure, window: Window, resolution: int) -> list[int]:
    """Cells of which a quantity has as many between its least and its most, fewer where both bounds leave it a wide range."""
    found = []
    for bound in range(len(structure.bounds)):
        least, most = structure.extremes(bound, min)[0][0], structure.extremes(bound, max)[0][0]
        assert least is not None and most is not None
        ceiling = window.most[bound]
        top = most if ceiling is None else min(most, ceiling)
        # a quantity that is bound from one side only needs to be known less well
        coarser = 1 if window.least[bound] is not None and ceiling is not None else 16
        found.append(max(1, (top - least) * coarser // resolution))
    return found
