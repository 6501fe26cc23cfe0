"""`archdsl search count`: how many specs of a space fit its budgets."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_json
from archdsl.cli.console import DONE, Console
from archdsl.cli.searching.study import add_study, study_of

if TYPE_CHECKING:
    from archdsl.feasible import Count, Feasible
    from archdsl.ir.space import Budget

NAME = "search count"
HELP = "say how many specs fit the budgets, and what share of the space"
EXAMPLES = (
    "archdsl search count search/biformer_nas",
    "archdsl search count @mixer_small --json",
)
# above it a number is read by its size, not by its digits
_READABLE = 10**12


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    add_json(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl.search.study import load_space

    spec = load_space(study_of(args.study))
    assert spec.space is not None
    with console.progress() as progress:
        progress.step(f"counting the specs of `{spec.name}`")
        from archdsl.feasible import Feasible

        feasible = Feasible(spec.space)
        count = feasible.count()
        spans = [_span(feasible, budget) for budget in spec.space.budgets]
    if args.json:
        budgets = [_document(budget, span) for budget, span in zip(spec.space.budgets, spans, strict=True)]
        fit = {"lower": count.lower, "upper": count.upper, "exact": count.exact}
        console.json(
            {
                "version": 1,
                "name": spec.name,
                "hash": spec.hash,
                "decisions": len(spec.decisions),
                "points": count.points,
                "fit": fit,
                "budgets": budgets,
            }
        )
        return DONE
    if spec.diagnostics:
        console.diagnostics(spec.diagnostics)
    told = {_name(budget): span for budget, span in zip(spec.space.budgets, spans, strict=True)}
    console.out("\n".join([*lines(count, len(spec.decisions)), *_reached(told)]))
    return DONE


def _span(feasible: Feasible, budget: Budget) -> tuple[int, int]:
    """The least and the most of what a budget bounds, among all points that can be built and keep `require`."""
    from archdsl.feasible.cheapest import extreme

    bound = feasible.structure.place(budget)
    least, most = (extreme(feasible.structure, bound, best) for best in (min, max))
    # a space without any such point has no counting structure
    assert least is not None
    assert most is not None
    return least.count, most.count


def _name(budget: Budget) -> str:
    """What a budget bounds."""
    at = f" at {budget.at}" if budget.at else ""
    return f"{budget.quantity}{at}" + (f" by {budget.rule}" if budget.rule != "fvcore" else "")


def _reached(spans: Mapping[str, tuple[int, int]]) -> list[str]:
    """What the space reaches, of each quantity that is bounded."""
    from archdsl.report.written import exact

    wide = max(map(len, spans), default=0)
    shown = [f"{name:<{wide}} from {exact(least)} to {exact(most)}" for name, (least, most) in spans.items()]
    return [f"{'reaches' * (not at):<8}{line}" for at, line in enumerate(shown)]


def _document(budget: Budget, span: tuple[int, int]) -> dict[str, object]:
    """A budget, for programs; `at` is the height and width that it names, `least` and `most` what the space reaches."""
    at = list(budget.at) if budget.at else None
    bound = {"quantity": budget.quantity, "operator": budget.operator, "limit": budget.limit, "at": at, "by": budget.rule}
    return {**bound, "least": span[0], "most": span[1]}


def lines(count: Count, decisions: int) -> list[str]:
    """How many there are, and how many fit."""
    told = [f"points  {number(count.points)}, from {decisions} decision{'s' * (decisions != 1)}"]
    if count.exact:
        return [*told, f"fit     {number(count.lower)}, exactly: {share(count.lower, count.points)} of the space"]
    gap = share(count.upper - count.lower, count.upper)
    return [
        *told,
        f"fit     {number(count.lower)} to {number(count.upper)}, a gap of {gap}: "
        f"{share(count.lower, count.points)} to {share(count.upper, count.points)} of the space",
    ]


def number(count: int) -> str:
    """A count in full, or from 1e12 on with four digits."""
    from archdsl.report.written import exact

    if count < _READABLE:
        return exact(count)
    power = len(str(count)) - 1
    digits = round(count / 10 ** (power - 3))
    return f"{digits / 1000:.3f}e{power}" if digits < 10_000 else f"1.000e{power + 1}"


def share(part: int, whole: int) -> str:
    """What part of a whole a count is, in per cent with three digits."""
    from fractions import Fraction

    if whole == 0:
        return "0 %"
    found = float(Fraction(100 * part, whole))
    return f"{found:.3g} %"
