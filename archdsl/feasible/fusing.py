"""Layers taken together while that keeps their tables small: fewer steps to draw, and fewer costs to round."""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.feasible.anatomy import Costs, added
from archdsl.feasible.structure import Assignment, Group, Layer, Table

# groups, and assignments in them, that the tables of a layer may come to together
_GROUPS = 300
_ASSIGNMENTS = 60_000


def fused(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The same paths in fewer layers."""
    found = [layers[0]]
    for layer in layers[1:]:
        together = _joined(found[-1], layer)
        if together is None:
            found.append(layer)
        else:
            found[-1] = together
    return tuple(found)


def _joined(first: Layer, second: Layer) -> Layer | None:
    """Two layers as one; None if its tables would be too large."""
    known: dict[object, int] = {}
    tables: list[Table] = []
    following: list[tuple[int, ...]] = []
    rows = []
    groups = assignments = 0
    for number, after in first.states:
        # states with one table that go on alike have one table together
        alike = (number, tuple(second.states[state] for state in after))
        place = known.get(alike)
        if place is None:
            pairs = _sizes(first, second, number, after)
            groups, assignments = groups + pairs[0], assignments + pairs[1]
            if groups > _GROUPS or assignments > _ASSIGNMENTS:
                return None
            table, ends = _product(first.tables[number], second, after)
            tables.append(table)
            following.append(ends)
            place = known[alike] = len(tables) - 1
        rows.append((place, following[place]))
    return Layer(second.piece, tuple(tables), tuple(rows))


def _sizes(first: Layer, second: Layer, number: int, after: Sequence[int]) -> tuple[int, int]:
    groups = assignments = 0
    inside: dict[int, tuple[int, int]] = {}
    for group in first.tables[number].groups:
        table = second.states[after[group.step]][0]
        if table not in inside:
            every = second.tables[table].groups
            inside[table] = len(every), sum(len(each.assignments) for each in every)
        groups += inside[table][0]
        assignments += inside[table][1] * len(group.assignments)
    return groups, assignments


def _product(first: Table, second: Layer, after: Sequence[int]) -> tuple[Table, tuple[int, ...]]:
    ends: dict[int, int] = {}
    merged: dict[tuple[int, Costs], list[Assignment]] = {}
    for group in first.groups:
        number, following = second.states[after[group.step]]
        for other in second.tables[number].groups:
            step = ends.setdefault(following[other.step], len(ends))
            ways = merged.setdefault((step, added(group.costs, other.costs)), [])
            ways += [a + b for a in group.assignments for b in other.assignments]
    groups = tuple(Group(step, costs, tuple(ways)) for (step, costs), ways in merged.items())
    # what a step adds to a state is asked for while compiling only
    return Table(tuple(() for _ in ends), groups), tuple(ends)
