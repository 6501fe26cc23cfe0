"""The feasible points of a space: those that can be built, keep `require`, and fit every budget."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from archdsl.feasible.cheapest import apart, check_reachable
from archdsl.feasible.structure import Bound, Structure, TooLarge
from archdsl.feasible.trace import Answer
from archdsl.feasible.window import window_of
from archdsl.ir.decisions import Decision, Point
from archdsl.ir.evaluate import DomainKey
from archdsl.ir.points import Drawn
from archdsl.ir.space import Space
from archdsl.source.diagnostic import Note, Report, SpecError
from archdsl.source.record import dataclass
from archdsl.source.suggest import did_you_mean

if TYPE_CHECKING:
    from archdsl.feasible.draws import Draws
    from archdsl.feasible.nearest import Nearest
    from archdsl.feasible.sums import Sums


# points that are counted one by one where their sums cannot be held
_ENUMERATED = 1_000_000


@dataclass(frozen=True, slots=True)
class Count:
    """How many points fit, between `lower` and `upper`; of `built` that can be built and keep `require`, and `points` in all.

    A decision that nothing reads at a point makes no other point of it, except in `points`.
    """

    lower: int
    upper: int
    built: int
    points: int

    @property
    def exact(self) -> bool:
        return self.lower == self.upper


class Feasible:
    """The feasible points of a space: counted, and drawn.

    Every one is a spec that can be built, keeps `require` and fits every budget by the closed form.

    Raises
    ------
    SpecError: no point keeps some budget, or all of them together; or the decisions depend on each other too widely to be
    counted.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        report = Report()
        with report.guard():
            self.structure = structure_of(space, report)
            check_reachable(self.structure, report)
        report.raise_errors()
        self.window = window_of(self.structure)
        self._keys: dict[str, DomainKey] = {decision.path: decision.key for decision in space.decisions}

    def count(self) -> Count:
        """How many points fit: exact for up to a million points, and beyond that as far as the sums can be held."""
        lower, upper = self._sums.counted()
        built = self.structure.paths()
        if lower < upper and built <= _ENUMERATED:
            from archdsl.feasible.enumeration import counted

            lower = upper = counted(self.structure, self.window)
        return Count(lower, upper, built, self.space.points)

    def draw(self, random: Random | int) -> Drawn:
        """A feasible point, each as likely as any other. `random` is a `random.Random`, or a seed for one."""
        if isinstance(random, int):
            random = Random(random)
        return self._drawn(self._draws.inside(random))

    def near(self, wanted: Mapping[str, str], random: Random) -> Drawn:
        """A feasible point that has what is wanted, by path and label, as far as that goes; what is not named is drawn.

        A decision with an order, such as a depth, moves to a near value; of an alternative another is taken.
        """
        point = self._wanted(wanted)
        filled = self._drawn(point)
        costs = self.structure.costs(filled) if filled.named.keys() <= wanted.keys() else None
        if costs is not None and self.window.holds(costs):
            return filled
        return self._drawn(self._coarse.find(point, costs, random))

    def counts(self, point: Point) -> dict[Bound, int]:
        """The counts of a point that the budgets are about. Raises ValueError if it cannot be built."""
        costs = self.structure.costs(point)
        if costs is None:
            raise ValueError(f"this point of `{self.space.name}` cannot be built, or breaks a `require`")
        return dict(zip(self.structure.bounds, costs, strict=True))

    def keeps(self, point: Point) -> bool:
        """Whether a point is feasible."""
        costs = self.structure.costs(point)
        return costs is not None and self.window.holds(costs)

    # --- inside -------------------------------------------------------------------------------------------------

    @cached_property
    def _sums(self) -> Sums:
        from archdsl.feasible.sums import sums_of

        found = sums_of(self.structure, self.window)
        if not found.counted()[1]:
            raise SpecError([apart(self.structure)])
        return found

    @cached_property
    def _draws(self) -> Draws:
        from archdsl.feasible.draws import Draws

        return Draws(self._sums, self.window)

    @cached_property
    def _coarse(self) -> Nearest:
        from archdsl.feasible.nearest import Nearest

        return Nearest(self.structure, self.window, self._draws)

    def _wanted(self, wanted: Mapping[str, str]) -> dict[DomainKey, int | Fraction]:
        found = {}
        for path, label in wanted.items():
            decision = self._decision(path)
            if label not in decision.labels:
                raise ValueError(f"`{path}` is one of {decision.listed()}, not {label}")
            found[decision.key] = decision.values[decision.labels.index(label)]
        return found

    def _decision(self, path: str) -> Decision:
        found = next((decision for decision in self.space.decisions if decision.path == path), None)
        if found is None:
            near = did_you_mean(path, list(self._keys), "there are")
            raise ValueError(f"`{self.space.name}` has no decision `{path}`{f': {near}' if near else ''}")
        return found

    def _drawn(self, chosen: Mapping[Any, Answer]) -> Drawn:
        """A point with all its decisions; those that nothing reads there are as in the base."""
        space = self.space
        values = {d.key: chosen.get(d.key, space.base_point.get(d.key, d.values[0])) for d in space.decisions}
        return space.drawn(values)  # type: ignore[arg-type]


def structure_of(space: Space, report: Report) -> Structure:
    """The structure of a space; what makes it too large is reported. Raises `Reported`."""
    try:
        return Structure(space, report)
    except TooLarge as large:
        decisions = {decision.key: decision for decision in space.decisions}
        widest = [decisions[key] for key in large.keys if key in decisions]
        report.fail(
            "limit-exceeded",
            f"the decisions of `{space.name}` depend on each other too widely to be counted",
            widest[0].span if widest else space.model.span,
            "many places read this",
            notes=[Note(f"and `{other.path}`", other.span) for other in widest[1:3]],
            help="let fewer decisions be shared by all stages, or give these fewer values",
        )
