"""What the process that evaluates is told: once what every spec needs, then each spec."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archdsl.ir.points import Drawn
    from archdsl.search.settings import Settings
    from archdsl.search.study import Plan


def order(plan: Plan, *, pruning: bool, threads: int) -> dict[str, Any]:
    """What holds for all evaluations of a study; `threads` of torch, 0 for its own choice."""
    settings, lock = plan.settings, plan.lock
    return {
        "objectives": [(name, dict(settings.objectives.get(name, {}))) for name in lock.directions],
        "seed": lock.seed,
        "device": settings.device,
        "pruning": pruning,
        "threads": threads,
    }


def job(plan: Plan, point: Drawn, digest: str) -> dict[str, Any]:
    """One evaluation: the spec of a point, its hash, and the budgets that it has to keep."""
    budgets = [
        {"quantity": b.quantity, "operator": b.operator, "limit": b.limit, "at": str(b.at) if b.at else None, "rule": b.rule}
        for b in plan.space.budgets
    ]
    return {"text": plan.spec.arch(point).canonical, "hash": digest, "budgets": budgets}


def share_of_threads(settings: Settings) -> int:
    """Threads of torch for each of the workers: their share of the cores, or 0 where that was said or there is but one."""
    if settings.workers == 1 or "OMP_NUM_THREADS" in os.environ:
        return 0
    return max(1, (os.cpu_count() or 1) // settings.workers)
