"""Values of a space that can never be built: found by trying each while everything else is at the base."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from archdsl.ir.decisions import Decision, Point, combinations
from archdsl.ir.evaluate import DomainKey
from archdsl.ir.model import Model
from archdsl.ir.resolve import resolve
from archdsl.ir.shapes import place
from archdsl.ir.values import Number
from archdsl.ir.work import Work
from archdsl.source.diagnostic import Diagnostic, Note, Report

# decisions with more values are not tried
_VALUES = 16
# networks that are tried for one space, and those for one value with decisions of its own
_TRIALS = 60
_INNER = 4


def warn_of_infeasible(model: Model, decisions: Sequence[Decision], base: Point, report: Report, work: Work) -> None:
    """Warn of decisions some of whose values cannot be built while everything else is at the base.

    A value with decisions inside it counts as feasible when one of their first combinations is.
    """
    by_key = {decision.key: decision for decision in decisions}
    trials = _Trials(model, work)
    for decision in decisions:
        if len(decision.values) > _VALUES:
            continue
        around = _around(decision, by_key, base)
        refused: dict[str, Diagnostic] = {}
        for value in decision.values:
            if base.get(decision.key) == value and all(base.get(key) == chosen for key, chosen in around.items()):
                continue
            inner = [other for other in decisions if _inside(other, decision.key, by_key)]
            points = ({**base, **around, decision.key: value, **rest} for rest in _rests(inner, decision.key, value))
            reasons = list(itertools.takewhile(lambda reason: reason is not None, map(trials.refusal, points)))
            if trials.exhausted:
                return
            # the last point tried was built, or there was none
            if len(reasons) == _count(inner, decision.key, value) and reasons[0] is not None:
                refused[decision.label(value)] = reasons[0]
        if refused:
            _warn(decision, refused, report)


class _Trials:
    """Builds points, as many as may be tried."""

    def __init__(self, model: Model, work: Work) -> None:
        self.model = model
        self.work = work
        self.left = _TRIALS
        self.exhausted = False

    def refusal(self, point: Point) -> Diagnostic | None:
        """Why a point cannot be built; None if it can."""
        self.left -= 1
        if self.left < 0:
            self.exhausted = True
            return None
        quiet = Report()
        arch = resolve(self.model, quiet, point, work=self.work)
        network = place(arch, quiet, work=self.work, advise=False) if arch else None
        if self.work.left < 0:
            self.exhausted = True
            return None
        return None if network else next(iter(quiet.errors), None)


def _around(decision: Decision, by_key: Mapping[DomainKey, Decision], base: Point) -> dict[DomainKey, Number]:
    """The options that must be drawn for a decision to exist."""
    found: dict[DomainKey, Number] = {}
    here: Decision | None = decision
    while here is not None and here.parent is not None:
        found[here.parent[0]] = here.parent[1]
        here = by_key.get(here.parent[0])
    return found


def _inside(decision: Decision, key: DomainKey, by_key: Mapping[DomainKey, Decision]) -> bool:
    here: Decision | None = decision
    while here is not None and here.parent is not None:
        if here.parent[0] == key:
            return True
        here = by_key.get(here.parent[0])
    return False


def _rests(inner: Sequence[Decision], key: DomainKey, value: Number) -> Iterator[dict[DomainKey, Number]]:
    return itertools.islice(combinations(inner, {key: value}), _INNER)


def _count(inner: Sequence[Decision], key: DomainKey, value: Number) -> int:
    return sum(1 for _ in _rests(inner, key, value))


def _warn(decision: Decision, refused: Mapping[str, Diagnostic], report: Report) -> None:
    reason = next(iter(refused.values()))
    shown = ", ".join(list(refused)[:8]) + (", ..." if len(refused) > 8 else "")
    cause = f"{reason.message} ({reason.label})" if reason.label else reason.message
    share = f"{len(refused)} of {len(decision.values)} values"
    report.warn(
        "infeasible-choices",
        f"{share} of `{decision.path}` cannot be built with everything else at the base",
        decision.span,
        shown,
        notes=[Note(f"{next(iter(refused))}: {cause}", reason.span)],
        help="leave them out, or change what refuses them",
    )
