"""Studies that were never run, to show and report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace

import archdsl
from archdsl.ir.space import Objective
from archdsl.resources import data_path
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
    """A history of any space: trial 0 is the base, the others random points. Some fail, one is pruned, one is doubled."""
    random = Random(seed)
    found: list[Trial] = []
    points = [space.space.point({})]
    while len(points) < trials:
        points.append(space.draw(random))
    for index, point in enumerate(points):
        network = space.space.network(point)
        spec = space.arch(point)
        values = {o.name: _value(spec, o.name) for o in space.space.objectives}
        seconds = {"build": 0.02, "confirm": 0.3} | dict.fromkeys(values, 0.1)
        changed: dict[str, object] = {}
        if index % 7 == 5:
            changed = {"state": "failed", "values": {}, "error": "zen_score: the value is nan"}
        elif index % 11 == 9:
            changed = {"state": "pruned", "values": {}}
        found.append(
            trial(
                index,
                **{
                    "values": values,
                    "point": point.named,
                    "params": spec.params,
                    "flops": spec.flops,
                    "hash": spec.hash,
                    "seconds": seconds,
                    **changed,
                },
            )
        )
        assert network.image == spec.network.image
    settings = SimpleNamespace(trials=trials, sampler="auto", seed=seed, device="cpu", workers=1, objectives={})
    return History(study, space, space.space.objectives, found[0], tuple(found), trials, settings)


def _value(spec: archdsl.Spec, objective: str) -> float:
    """A value that more operations make better, or worse, with some noise that is a function of the spec."""
    noise = int(spec.hash[:6], 16) / 16**6
    if objective == "latency":
        return round(4 + spec.flops / 2e8 + noise, 4)
    return round(100 * math.log(spec.params) - 1200 + 20 * noise, 4)
