"""What the charts of the page draw, as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archdsl.search.pareto import comparable

if TYPE_CHECKING:
    from archdsl.search.standing import Row
    from archdsl.search.trials import History, Trial

DRAWN = 2_000
"""How many trials the charts draw at most; of more, those of the table and some in equal distances."""


def chart_data(history: History, rows: Sequence[Row], units: Mapping[str, str]) -> dict[str, Any]:
    """Trials, decisions, objectives and models, with numbers where charts want numbers."""
    kinds = {row.index: row for row in rows if row.index is not None}
    ranks = {index: rank for rank, index in enumerate(kinds)}
    shown = drawn(history, set(kinds))
    decisions = [decision for decision in history.space.decisions if len(decision.labels) > 1]
    base = history.space.space
    assert base is not None
    at_base = base.named(base.base_point)
    return {
        "space": history.space.name,
        "objectives": [{"name": o.name, "direction": o.direction, "unit": units.get(o.name, "")} for o in history.objectives],
        "decisions": [{"path": decision.path, "labels": list(decision.labels)} for decision in decisions],
        "trials": [
            {
                "index": trial.index,
                "name": kinds[trial.index].name if trial.index in kinds else f"trial {trial.index}",
                "kind": kinds[trial.index].kind if trial.index in kinds else "other",
                "rank": ranks.get(trial.index),
                "knee": trial.index in kinds and kinds[trial.index].knee,
                "values": [_number(trial.values[o.name]) for o in history.objectives],
                "params": trial.params,
                "flops": trial.flops,
                "point": [_place(decision.labels, trial.point.get(decision.path)) for decision in decisions],
                "differs": [f"{path} = {label}" for path, label in trial.point.items() if at_base.get(path) != label],
            }
            for trial in shown
        ],
        "best": [_best(history, at) for at in range(len(history.objectives))],
        "ended": max((trial.index for trial in history.trials), default=0),
        "lost": [trial.index for trial in history.trials if trial.state != "done"][:DRAWN],
        "published": [
            {"name": row.name, "params": row.params, "flops": row.flops, "expected": list(row.expected)}
            for row in rows
            if row.kind == "published"
        ],
    }


def drawn(history: History, always: set[int]) -> list[Trial]:
    """The comparable trials that are drawn, by index."""
    trials = comparable(history)
    if len(trials) <= DRAWN:
        return trials
    rest = [trial for trial in trials if trial.index not in always]
    some = min(len(rest), max(1, DRAWN - (len(trials) - len(rest))))
    kept = {rest[len(rest) * at // some].index for at in range(some)} | always
    return [trial for trial in trials if trial.index in kept]


def _best(history: History, at: int) -> list[list[float | None]]:
    """Where the best value of an objective changed: pairs of index and value."""
    objective = history.objectives[at]
    sign = -1 if objective.direction == "maximize" else 1
    steps: list[list[float | None]] = []
    best = math.inf
    for trial in comparable(history):
        value = trial.values[objective.name]
        if sign * value < best:
            best = sign * value
            steps.append([trial.index, _number(value)])
    return steps


def _place(labels: Sequence[str], label: str | None) -> int | None:
    return None if label is None or label not in labels else labels.index(label)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def embedded(data: object) -> str:
    """Data as JSON that can stand in a page: nothing in it ends the element, or begins another."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
