"""The front of a study: the trials that no other is better than, and how much of the space of objectives they dominate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from archdsl.search.trials import History, Trial

Direction: TypeAlias = Literal["maximize", "minimize"]
Losses: TypeAlias = tuple[float, ...]


def front(history: History) -> tuple[Trial, ...]:
    """The trials that are done and that no other one dominates, the best of the first objective first.

    Of trials of one network the first is kept; different ones with equal values are all kept.
    """
    done = comparable(history)
    rows = [losses(trial.values, history) for trial in done]
    kept = nondominated(rows)
    return tuple(done[at] for at in sorted(kept, key=lambda at: (rows[at], done[at].index)))


def comparable(history: History) -> list[Trial]:
    """The trials that are done, with a number for every objective, one of each network, by index."""
    found: dict[str, Trial] = {}
    for trial in sorted(history.trials, key=lambda trial: trial.index):
        values = [trial.values.get(objective.name, math.nan) for objective in history.objectives]
        if trial.state == "done" and not any(map(math.isnan, values)):
            found.setdefault(trial.hash, trial)
    return list(found.values())


def ranked(history: History, name: str) -> list[Trial]:
    """The comparable trials, the best of an objective first, of equal ones the earlier."""
    sign = {objective.name: _sign(objective.direction) for objective in history.objectives}[name]
    return sorted(comparable(history), key=lambda trial: (sign * trial.values[name], trial.index))


def losses(values: Mapping[str, float], history: History) -> Losses:
    """The objectives of a trial in the order of the space, turned so that less is better."""
    return tuple(_sign(objective.direction) * values[objective.name] for objective in history.objectives)


def turned(rows: Sequence[Sequence[float]], directions: Sequence[Direction]) -> list[Losses]:
    """Rows of values turned so that less is better in every column."""
    signs = [_sign(direction) for direction in directions]
    return [tuple(sign * value for sign, value in zip(signs, row, strict=True)) for row in rows]


def _sign(direction: Direction) -> int:
    return -1 if direction == "maximize" else 1


def nondominated(rows: Sequence[Losses]) -> list[int]:
    """Where the rows stand that no other row dominates: none is at most as large everywhere and smaller somewhere.

    Equal rows do not dominate each other.
    """
    # whatever dominates a row stands before it in this order
    order = sorted(range(len(rows)), key=lambda at: rows[at])
    kept: list[int] = []
    shown: list[Losses] = []
    for at in order:
        row = rows[at]
        if shown and shown[-1] == row:
            kept.append(at)
        elif not any(_dominates(other, row) for other in reversed(shown)):
            kept.append(at)
            shown.append(row)
    return sorted(kept)


def _dominates(better: Losses, worse: Losses) -> bool:
    return better != worse and all(left <= right for left, right in zip(better, worse, strict=True))


def hypervolume(rows: Sequence[Losses], reference: Losses) -> float:
    """The volume of what lies between the rows and a reference point, in which less is better; exact up to rounding.

    A row that is not better than the reference everywhere adds nothing. The work grows with the number of rows to the
    power of one less than the number of objectives.

    Raises
    ------
    ValueError: a row has another length than the reference, or is not made of numbers; the reference is not finite.
    """
    if any(len(row) != len(reference) for row in rows):
        raise ValueError(f"a row has another number of objectives than the reference, which has {len(reference)}")
    if any(math.isnan(value) for row in rows for value in row) or not all(map(math.isfinite, reference)):
        raise ValueError("an objective is not a number, or the reference is not finite")
    inside = [tuple(row) for row in rows if all(value < bound for value, bound in zip(row, reference, strict=True))]
    return _volume(inside, tuple(reference))


def _volume(rows: list[Losses], reference: Losses) -> float:
    """Slices along the last objective: the volume of those that are there so far, times how far the slice reaches."""
    if not rows:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(row[0] for row in rows)
    rows = sorted({rows[at] for at in nondominated(rows)}, key=lambda row: row[-1])
    if len(reference) == 2:
        return _area(rows, reference)
    total = 0.0
    for at, row in enumerate(rows):
        upper = rows[at + 1][-1] if at + 1 < len(rows) else reference[-1]
        if upper > row[-1]:
            total += (upper - row[-1]) * _volume([other[:-1] for other in rows[: at + 1]], reference[:-1])
    return total


def _area(rows: list[Losses], reference: Losses) -> float:
    """Of two objectives: rows of a front by the last, so that the first falls from one to the next."""
    total, bound = 0.0, reference[0]
    for first, last in rows:
        total += (bound - first) * (reference[1] - last)
        bound = first
    return total


def knee(rows: Sequence[Losses]) -> int | None:
    """Where on a front the bend is: the row whose objectives, each scaled from 0, its best there, to 1, its worst, add up to
    least. None where there is none: with one objective, less than three rows, or where the best of one objective is no worse.
    """
    finite = [row for row in rows if all(map(math.isfinite, row))]
    if len(finite) < 3 or len(finite[0]) < 2:
        return None
    ends = [(min(column), max(column)) for column in zip(*finite, strict=True)]
    if any(best == worst for best, worst in ends):
        return None

    def scaled(row: Losses) -> float:
        if not all(map(math.isfinite, row)):
            return math.inf
        return sum((value - best) / (worst - best) for value, (best, worst) in zip(row, ends, strict=True))

    least = min(range(len(rows)), key=lambda at: (scaled(rows[at]), at))
    bend = rows[least]
    return None if any(value == best for value, (best, _) in zip(bend, ends, strict=True)) else least
