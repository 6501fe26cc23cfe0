"""What a study will cost, before it is begun: its base measured once, and how many specs fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archdsl.feasible import Count
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


def estimate(plan: Plan, *, tell: Callable[[str], None] = lambda text: None) -> Estimate:
    """Count the specs of a study, and evaluate its base as a trial would be. Nothing is written.

    Raises
    ------
    SpecError: no spec fits the budgets, the device is not there, or an objective lacks what it needs, such as data.
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
    # what is imported once must not be taken for the time of a trial
    import archdsl.budget.compare
    import archdsl.budget.fvcore_count
    import archdsl.lowering.module  # noqa: F401
    from archdsl.search.evaluate import evaluate

    tell("measuring the base")
    base = spec.arch(space.base_point)
    # the base may be over a budget; how long it takes can be said all the same
    settings = plan.settings
    found = evaluate(base.canonical, base.hash, (), objectives, seed=settings.seed, device=settings.device)
    names = tuple(plan.lock.directions)
    return Estimate(
        count=count,
        params=base.params,
        flops=base.flops,
        fits=space.keeps_budgets(space.base_point),
        values=dict(zip(names, found.values, strict=False)),
        seconds=found.seconds,
        error=found.error,
    )
