"""The front of a study, its bend, and the volume it dominates, against their definitions."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.search.pareto import front, hypervolume, knee, losses, nondominated, ranked, turned
from tests.search.histories import bare, trial

DIRECTIONS = st.sampled_from(["maximize", "minimize"])
# few values, so that there are ties in one objective, and equal rows
SMALL = st.integers(0, 4).map(float)


def rows(width: int, values: st.SearchStrategy[float] = SMALL, most: int = 12) -> st.SearchStrategy[list[tuple[float, ...]]]:
    return st.lists(st.tuples(*[values] * width), max_size=most)


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[str], list[tuple[float, ...]]]:
    directions = draw(st.lists(DIRECTIONS, min_size=1, max_size=4))
    return directions, draw(rows(len(directions), SMALL | st.floats(allow_nan=False)))


def better(left: tuple[float, ...], right: tuple[float, ...], directions: list[str]) -> bool:
    """The definition: nowhere worse, and somewhere better."""
    signs = [1 if direction == "maximize" else -1 for direction in directions]
    pairs = [(sign * a, sign * b) for sign, a, b in zip(signs, left, right, strict=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


@given(studies())
def test_the_front_is_what_nothing_is_better_than(study: tuple[list[str], list[tuple[float, ...]]]) -> None:
    directions, values = study
    wanted = {i for i, row in enumerate(values) if not any(better(other, row, directions) for other in values)}
    assert set(nondominated(turned(values, directions))) == wanted
    found = front(bare(values, *directions))
    assert {trial.index for trial in found} == wanted
    sign = 1 if directions[0] == "minimize" else -1
    assert [sign * t.values["o0"] for t in found] == sorted(sign * t.values["o0"] for t in found)


def test_of_one_objective_the_best_are_the_front() -> None:
    assert [t.index for t in front(bare([(1,), (3,), (2,), (3,)], "maximize"))] == [1, 3]
    assert [t.index for t in front(bare([(1,), (3,), (2,), (1,)], "minimize"))] == [0, 3]
    assert front(bare([], "minimize")) == ()


def test_only_trials_that_are_done_and_measured_count_and_each_network_once() -> None:
    history = bare([(5.0,)], "maximize")
    more = (
        trial(1, {"o0": 9.0}, state="failed"),
        trial(2, {"o0": 9.0}, state="pruned"),
        trial(3, {"o0": math.nan}),
        trial(4, {}),
        trial(5, {"o0": 5.0}, hash=history.trials[0].hash, same_as=0),
        trial(6, {"o0": 5.0}),
    )
    history = replace(history, trials=(*reversed(more), *history.trials))
    assert [t.index for t in front(history)] == [0, 6]
    assert [t.index for t in ranked(history, "o0")] == [0, 6]


def test_ranked_is_by_one_objective_and_its_direction() -> None:
    history = bare([(1, 9), (2, 8), (2, 7), (0, 1)], "maximize", "minimize")
    assert [t.index for t in ranked(history, "o0")] == [1, 2, 0, 3]
    assert [t.index for t in ranked(history, "o1")] == [3, 2, 1, 0]
    assert losses(history.trials[0].values, history) == (-1, 9)


@given(st.integers(1, 4).flatmap(lambda width: rows(width, most=7)))
def test_the_hypervolume_counts_the_unit_cells_below_the_reference(values: list[tuple[float, ...]]) -> None:
    width = len(values[0]) if values else 2
    # with whole numbers, a cell is dominated whole or not at all
    cells = itertools.product(range(4), repeat=width)
    wanted = sum(any(all(v <= c for v, c in zip(row, cell, strict=True)) for row in values) for cell in cells)
    assert hypervolume(values, (4.0,) * width) == wanted


@given(st.integers(2, 3).flatmap(lambda width: rows(width, st.floats(-2, 2), most=5)))
def test_the_hypervolume_is_what_inclusion_and_exclusion_give(values: list[tuple[float, ...]]) -> None:
    width = len(values[0]) if values else 2
    reference = (1.5,) * width
    wanted = 0.0
    for count in range(1, len(values) + 1):
        for chosen in itertools.combinations(values, count):
            corner = [max(column) for column in zip(*chosen, strict=True)]
            wanted -= (-1) ** count * math.prod(max(0.0, r - c) for r, c in zip(reference, corner, strict=True))
    assert hypervolume(values, reference) == pytest.approx(wanted, abs=1e-9)


@given(rows(3, st.floats(0, 1)), st.permutations([0, 1, 2]))
def test_the_order_of_objectives_and_rows_changes_no_volume(values: list[tuple[float, ...]], order: list[int]) -> None:
    other = [tuple(row[at] for at in order) for row in reversed(values)]
    assert hypervolume(other, (1.0, 1.0, 1.0)) == pytest.approx(hypervolume(values, (1.0, 1.0, 1.0)))


def test_a_hypervolume_of_what_has_none_is_refused() -> None:
    with pytest.raises(ValueError, match="another number of objectives"):
        hypervolume([(1.0,)], (1.0, 2.0))
    with pytest.raises(ValueError, match="not a number"):
        hypervolume([(math.nan, 1.0)], (1.0, 2.0))
    with pytest.raises(ValueError, match="finite"):
        hypervolume([(0.0, 1.0)], (math.inf, 2.0))


def test_the_bend_is_where_both_objectives_are_nearly_best() -> None:
    assert knee([(0.0, 10.0), (1.0, 1.0), (10.0, 0.0)]) == 1
    assert knee([(0.0, 10.0), (5.0, 5.1), (2.0, 4.0), (10.0, 0.0)]) == 2
    # nothing in between
    assert knee([(0.0, 10.0), (10.0, 0.0)]) is None
    assert knee([(1.0,), (1.0,), (1.0,)]) is None
    assert knee([(0.0, 10.0), (0.0, 10.0), (10.0, 0.0)]) is None
    assert knee([(0.0, math.inf), (1.0, 1.0), (10.0, 0.0), (5.0, 0.5)]) in (1, 3)
