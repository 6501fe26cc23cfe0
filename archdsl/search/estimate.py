"""What a study will cost, before it is begun: its base measured once, and how many specs fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archdsl.search.evaluator import Evaluator
from archdsl.search.job import job, order, share_of_threads

if TYPE_CHECKING:
    from archdsl.feasible import Count
    from archdsl.search.settings import Settings
    from archdsl.search.study import Plan


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the base took and gave.

    `seconds` are those of each step of its trial; `error` is why it has no `values`; `fits` is whether it keeps the budgets,
    and so is the first trial.
    """

    count: Count
    params: int
    flops: int
    fits: bool
    values: Mapping[str, float]
    seconds: Mapping[str, float]
    error: str | None

    @property
    def trial(self) -> float:
        """Seconds of one trial."""
        return sum(self.seconds.values())

    def study(self, settings: Settings) -> float:
        """Seconds of all trials; more workers than cores are no faster."""
        return settings.trials * self.trial / min(settings.workers, os.cpu_count() or 1)


def estimate(plan: Plan, *, tell: Callable[[str], None] = lambda text: None) -> Estimate:
    """Count the specs of a study, and evaluate its base as one of its workers would. Nothing is written.

    Raises
    ------
    SpecError: no spec fits the budgets, the device is not there, an objective lacks what it needs, such as data, or
        `no-evaluator`.
    """
    from archdsl.feasible import Feasible
    from archdsl.search.device import check_device

    spec, space, objectives = plan.spec, plan.space, plan.measured()
    tell("loading torch")
    check_device(plan.settings.device)
    for objective in objectives:
        objective.check(spec)
    tell("counting the specs that fit")
    count = Feasible(space).count()
    tell("measuring the base")
    base = spec.arch(space.base_point)
    found = _measured(plan, base.hash)
    names = tuple(plan.lock.directions)
    return Estimate(
        count=count,
        params=base.params,
        flops=base.flops,
        fits=space.keeps_budgets(space.base_point),
        values=dict(zip(names, found["values"], strict=False)),
        seconds=found["seconds"],
        error=found["error"],
    )


def _measured(plan: Plan, digest: str) -> dict[str, Any]:
    """The base as a worker evaluates it: in a process of its own, with its share of the threads, within the time limit."""
    settings = plan.settings
    wanted = job(plan, plan.space.base_point, digest)
    # it is counted as every trial is; but the base may be over a budget, and how long it takes can be said all the same
    wanted["budgets"] = [{**line, "operator": ">=", "limit": 0} for line in wanted["budgets"]]
    evaluator = Evaluator(order(plan, pruning=False, threads=share_of_threads(settings)), settings.time_limit)
    try:
        return evaluator.evaluate(wanted)
    finally:
        evaluator.close()
