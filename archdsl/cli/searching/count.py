"""`archdsl search count`: how many specs of a space fit its budgets."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_json
from archdsl.cli.console import DONE, Console
from archdsl.cli.searching.study import add_study, study_of

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.feasible import Count
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
    with console.progress() as progress:
        progress.step(f"counting the specs of `{spec.name}`")
        from archdsl.feasible import Feasible

        assert spec.space is not None
        count = Feasible(spec.space).count()
    if args.json:
        console.json(
            {
                "version": 1,
                "name": spec.name,
                "hash": spec.hash,
                "decisions": len(spec.decisions),
                "points": count.points,
                "fit": {"lower": count.lower, "upper": count.upper, "exact": count.lower == count.upper},
                "budgets": [budget_document(budget) for budget in spec.space.budgets],
            }
        )
        return DONE
    if spec.diagnostics:
        console.diagnostics(spec.diagnostics)
    console.out("\n".join(lines(spec, count)))
    return DONE


def budget_document(budget: Budget) -> dict[str, object]:
    """A budget, for programs; `at` is the height and width that it names."""
    at = list(budget.at) if budget.at else None
    return {"quantity": budget.quantity, "operator": budget.operator, "limit": budget.limit, "at": at, "by": budget.rule}


def lines(spec: Spec, count: Count) -> list[str]:
    """The answer, for readers."""
    decisions = len(spec.decisions)
    told = [f"points  {number(count.points)}, from {decisions} decision{'s' * (decisions != 1)}"]
    if count.lower == count.upper:
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
