"""Studies that were never run, to show and report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace

import archdsl
from archdsl.feasible import Feasible
from archdsl.ir.points import Drawn
from archdsl.ir.space import Objective
from archdsl.resources import data_path
from archdsl.search.settings import Settings
from archdsl.search.trials import History, Trial

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def objectives(*directions: str) -> tuple[Objective, ...]:
    """Objectives of no meaning, one for each direction."""
    return tuple(Objective(direction, f"o{at}") for at, direction in enumerate(directions))


def bare(rows: Sequence[Sequence[float]], *directions: str) -> History:
    """A history of values alone; each trial is of a network of its own."""
    wanted = objectives(*directions)
    trials = tuple(
        trial(index, {o.name: value for o, value in zip(wanted, row, strict=True)}) for index, row in enumerate(rows)
    )
    return History("bare", SimpleNamespace(), wanted, None, trials, len(trials), SimpleNamespace())


def trial(index: int, values: dict[str, float] | None = None, **changed: object) -> Trial:
    """A trial that is done."""
    given = {
        "index": index,
        "number": index,
        "state": "done",
        "point": {},
        "values": values or {},
        "params": 1000 + index,
        "flops": 100_000 + index,
        "hash": f"{index:064x}",
        "seconds": {"build": 0.01, "confirm": 0.2},
        "finished": START + timedelta(seconds=index),
    }
    return Trial(**{**given, **changed})


def study(name: str = "biformer_nas", trials: int = 12, seed: int = 0) -> History:
    """A history of a shipped space: random points with their counts, and values that are a function of the point."""
    space = archdsl.load(data_path("search") / name / "space.arch")
    return over(space, trials, seed, study=name)


def over(space: archdsl.Spec, trials: int, seed: int, *, study: str) -> History:
    """A history of any space: the base if it keeps the budgets, and drawn points. Some fail, one is pruned."""
    random = Random(seed)
    draw = Feasible(space.space).draw if space.space.budgets else space.draw
    base = space.space.point({})
    kept = space.keeps_budgets(base)
    points = [base] if kept else []
    points += [draw(random) for _ in range(trials - len(points))]
    found = tuple(_drawn(space, index, point) for index, point in enumerate(points))
    settings = Settings(trials=trials, seed=seed)
    return History(study, space, space.space.objectives, found[0] if kept else None, found, trials, settings)


def _drawn(space: archdsl.Spec, index: int, point: Drawn) -> Trial:
    spec = space.arch(point)
    values = {o.name: _value(spec, o.name) for o in space.space.objectives}
    made = trial(
        index,
        values,
        point=point.named,
        params=spec.params,
        flops=spec.flops,
        hash=spec.hash,
        seconds={"build": 0.02, "confirm": 0.3} | dict.fromkeys(values, 0.1),
    )
    if index % 7 == 5:
        return replace(made, state="failed", values={}, error=f"zen_score is nan after {index} steps")
    if index % 11 == 9:
        return replace(made, state="pruned", values={})
    return made


def _value(spec: archdsl.Spec, objective: str) -> float:
    """A value that more operations make better, or worse, with some noise that is a function of the spec."""
    noise = int(spec.hash[:6], 16) / 16**6
    if objective == "latency":
        return round(4 + spec.flops / 2e8 + noise, 4)
    return round(100 * math.log(spec.params) - 1200 + 20 * noise, 4)
