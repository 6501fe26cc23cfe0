"""What the process that evaluates is told: once what every spec needs, then each spec."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from archdsl.search.measured import in_full

if TYPE_CHECKING:
    from archdsl.ir.points import Drawn
    from archdsl.search.settings import Settings
    from archdsl.search.study import Plan


def order(plan: Plan, *, pruning: bool, threads: int) -> dict[str, Any]:
    """What holds for all evaluations of a study; `threads` of torch, 0 for its own choice."""
    lock, settings = plan.lock, in_full(plan.settings, plan.folder.path)
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


def threads_of(plan: Plan) -> int:
    """Threads of torch for an evaluation of a study: as many as when it was begun, as far as that was noted."""
    return share_of_threads(plan.settings) if plan.lock.threads is None else plan.lock.threads


def share_of_threads(settings: Settings) -> int:
    """Threads of torch for each of the workers: as the environment says, else a share of the cores; 0 for its own choice."""
    if "OMP_NUM_THREADS" in os.environ:
        # nested loops have a number each
        first = os.environ["OMP_NUM_THREADS"].partition(",")[0].strip()
        return int(first) if first.isascii() and first.isdecimal() else 0
    if settings.workers == 1:
        return 0
    return max(1, (os.cpu_count() or 1) // settings.workers)
