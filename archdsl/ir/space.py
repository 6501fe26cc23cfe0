"""A space: named decisions over a base, what bounds them, and points drawn from it.

The base is trial 0: it must lie in every domain. Searching is not done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from random import Random
from typing import Literal

from archdsl.ir.base_point import BasePoint
from archdsl.ir.decisions import Decision, Point, active, decisions_of
from archdsl.ir.evaluate import Context, DomainKey
from archdsl.ir.expect import amount, counted_by, quantity_of, size_at
from archdsl.ir.model import Model
from archdsl.ir.network import Network
from archdsl.ir.objectives import is_objective, objectives
from archdsl.ir.override import resized
from archdsl.ir.points import Drawn, draw, drawn, told
from archdsl.ir.require import COMPARE, check_requires
from archdsl.ir.resolve import resolve
from archdsl.ir.rules import counted
from archdsl.ir.shapes import place
from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Report
from archdsl.source.record import dataclass
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span

# how much of the work left may go into trying what can be built
_TRIED = 60_000


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound on a count, exact as written."""

    quantity: str
    operator: str
    limit: int
    at: Size | None
    rule: str
    span: Span

    def holds(self, count: int) -> bool:
        return bool(COMPARE[self.operator](count, self.limit))


@dataclass(frozen=True, slots=True)
class Objective:
    direction: Literal["maximize", "minimize"]
    name: str


class Space:
    """A space, resolved.

    `base_point` has the value of the base for each decision; `base_network` is the base's network.
    """

    def __init__(
        self,
        model: Model,
        base_model: Model,
        decisions: tuple[Decision, ...],
        base_point: dict[DomainKey, int | Fraction],
        base_network: Network,
        budgets: tuple[Budget, ...],
        objectives: tuple[Objective, ...],
    ) -> None:
        self.model = model
        self.base_model = base_model
        self.name = model.name
        self.decisions = decisions
        self.base_point = base_point
        self.base_network = base_network
        self.budgets = budgets
        self.objectives = objectives

    @staticmethod
    def of(model: Model, base_model: Model, report: Report, work: Work) -> Space | None:
        """The space of a model over that of its base; None if something in it is wrong, which was then reported."""
        before = report.error_count
        base_arch = resolve(base_model, report, work=work)
        base_network = place(base_arch, report, work=work) if base_arch else None
        decisions = decisions_of(model, report)
        budgets = tuple(budget for line in model.budgets if (budget := _budget(line, report)))
        objectives = tuple(objective for line in model.objectives if (objective := _objective(line, report)))
        if base_arch is None or base_network is None or report.error_count > before:
            return None
        if not decisions:
            report.warn("no-decision", f"`{model.name}` leaves nothing to decide", model.span, "no `|` and no `..` in it")
        point: dict[DomainKey, int | Fraction] | None = None
        with report.guard():
            point = BasePoint(model, base_model, base_network, decisions, report, work).find()
        if point is None:
            return None
        space = Space(model, base_model, decisions, point, base_network, budgets, objectives)
        arch = resolve(model, report, point, work=work)
        network = place(arch, report, work=work) if arch else None
        if arch is None or network is None:
            return None
        with report.guard():
            check_requires(model, arch, Context(model, report, point, work), of_base=True)
        return None if report.error_count > before else space

    # --- points -------------------------------------------------------------------------------------------------

    @property
    def points(self) -> int:
        """How many points there are, budgets and `require` left aside."""
        inside: dict[tuple[DomainKey, int] | None, list[Decision]] = {}
        for decision in self.decisions:
            inside.setdefault(decision.parent, []).append(decision)

        def below(parent: tuple[DomainKey, int] | None) -> int:
            return prod(count(decision) for decision in inside.get(parent, ()))

        def count(decision: Decision) -> int:
            return sum(below((decision.key, value)) if isinstance(value, int) else 1 for value in decision.values)

        return below(None)

    def draw(self, random: Random | int, *, require: bool = True) -> Drawn:
        """A value for each decision, uniform over its domain, drawn again until the point can be built and keeps `require`.

        Budgets are not looked at; with `require=False` nothing is.

        Parameters
        ----------
        random: a `random.Random`, or a seed for one.

        Raises
        ------
        ValueError: no such point was found in 500 draws.
        """
        return draw(self, random, require=require)

    def point(self, named: Mapping[str, object]) -> Drawn:
        """The point with these values by path, such as `{"s3.depth": 8}`; what is not named is as in the base.

        Raises
        ------
        ValueError: there is no such decision, or it has no such value.
        """
        return told(self, named)

    def drawn(self, values: Point) -> Drawn:
        """The point with these values, one for each decision, with the names of those that exist there."""
        return drawn(self, values)

    def named(self, point: Point) -> dict[str, str]:
        """The decisions that exist at a point, by path, as a reader writes them."""
        return {decision.path: decision.label(point[decision.key]) for decision in active(self.decisions, point)}

    def network(self, point: Point, *, at: Size | None = None) -> Network:
        """The network of a point, at the space's own input or at another size.

        Raises `SpecError` if it cannot be built, or `require` does not hold.
        """
        report = Report()
        arch = resolve(resized(self.model, at, report) if at else self.model, report, point)
        network = place(arch, report, advise=False) if arch else None
        if arch is not None:
            with report.guard():
                check_requires(self.model, arch, Context(self.model, report, point), of_base=False)
        report.raise_errors()
        assert network is not None
        return network

    def within_budget(self, network: Network) -> bool:
        """Whether a network keeps every budget at its size, by the closed form; one without `at` is about the space's input."""
        own = self.base_network.image.size
        here = [budget for budget in self.budgets if (budget.at or own) == network.image.size]
        counts = counted(network, ((budget.quantity, budget.rule) for budget in here))
        return all(budget.holds(counts[budget.quantity, budget.rule]) for budget in here)

    def keeps_budgets(self, point: Point) -> bool:
        """Whether a point keeps every budget, each at its own size. Raises `SpecError` as `network` does."""
        sizes = dict.fromkeys((None, *(budget.at for budget in self.budgets)))
        return all(self.within_budget(self.network(point, at=size)) for size in sizes)

    def warn_of_infeasible(self, report: Report, work: Work) -> None:
        """Warn of decisions some of whose values cannot be built with everything else at the base."""
        from archdsl.ir.feasible import warn_of_infeasible

        trials = work.part(_TRIED)
        warn_of_infeasible(self.model, self.decisions, self.base_point, report, trials)
        work.rejoin(trials)


def _budget(line: ast.Budget, report: Report) -> Budget | None:
    with report.guard():
        quantity = quantity_of(line.quantity, report)
        number, _, _ = amount(line.value, report, quantity=quantity)
        rule = counted_by(line.by, report)
        if line.operator in ("==", "!="):
            report.fail(
                "wrong-type",
                "a budget is a bound",
                line.span.head(),
                f"`{line.operator}` is none",
                help="write `<=` or `>=`; two budgets bound a count from both sides",
            )
        return Budget(quantity, line.operator, int(number), size_at(line.at, report), rule, line.span)
    return None


def _objective(line: ast.Objective, report: Report) -> Objective | None:
    if not is_objective(line.name.id):
        known = objectives()
        report.error(
            "unknown-objective",
            f"there is no objective `{line.name.id}`",
            line.name.span,
            "not an objective",
            help=did_you_mean(line.name.id, known) or "objectives are " + ", ".join(f"`{name}`" for name in known),
        )
        return None
    return Objective(line.direction, line.name.id)
