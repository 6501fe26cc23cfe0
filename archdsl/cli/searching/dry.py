"""What a study would cost and write, told without beginning it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archdsl.cli.searching.count import number, share
from archdsl.cli.searching.watch import finite
from archdsl.search.figures import duration

if TYPE_CHECKING:
    from archdsl.search.estimate import Estimate
    from archdsl.search.study import Plan


def told(plan: Plan, found: Estimate) -> str:
    """The answer, for readers."""
    from archdsl.report.written import exact

    settings, count = plan.settings, found.count
    total = duration(found.study(settings))
    fit = number(count.lower) if count.exact else f"{number(count.lower)} to {number(count.upper)}"
    least = share(count.lower, count.points)
    of = least if count.exact else f"{least} to {share(count.upper, count.points)}"
    workers = f", {settings.workers} at a time" if settings.workers > 1 else ""
    lines = [
        f"space    {number(count.points)} points, of which {fit} fit: {of}",
        f"base     {exact(found.params)} params, {exact(found.flops)} flops"
        + ("" if found.fits else "; over a budget, so that it is no trial"),
        *(f"         {name} {value:.6g}" for name, value in found.values.items()),
        *([f"         not measured: {found.error}"] if found.error else []),
        "trial    " + ", ".join(f"{name} {precise(seconds)}" for name, seconds in found.seconds.items()),
        f"study    {settings.trials:_} trials x {precise(found.trial)}{workers}: {total}, as the base takes on "
        f"{settings.device}; drawing and storage aside",
        f"sampler  {plan.lock.sampler}, seed {settings.seed}",
        f"writes   {', '.join(written(plan))}",
    ]
    return "\n".join(lines)


def document(plan: Plan, found: Estimate) -> dict[str, Any]:
    """The same, for programs."""
    settings, count = plan.settings, found.count
    return {
        "version": 1,
        "name": plan.spec.name,
        "points": count.points,
        "fit": {"lower": count.lower, "upper": count.upper, "exact": count.exact},
        "base": {
            "params": found.params,
            "flops": found.flops,
            "fits": found.fits,
            "values": {name: finite(value) for name, value in found.values.items()},
            "seconds": dict(found.seconds),
            "error": found.error,
        },
        "trials": settings.trials,
        "workers": settings.workers,
        "seconds": found.study(settings),
        "sampler": plan.lock.sampler,
        "seed": settings.seed,
        "device": settings.device,
        "writes": written(plan),
    }


def written(plan: Plan) -> list[str]:
    """What a run would leave, the storage among it."""
    from archdsl.search.study import storage_shown

    folder = plan.folder
    paths = [folder.lock, folder.history, folder.winners, folder.results]
    return [storage_shown(plan), *(path.as_posix() + "/" * (path == folder.winners) for path in paths)]


def precise(seconds: float) -> str:
    """`31 ms`, `1.25 s`, or as a duration."""
    if seconds < 1:
        return f"{1000 * seconds:.2g} ms" if seconds < 0.0995 else f"{1000 * seconds:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 99.5 else duration(seconds)
