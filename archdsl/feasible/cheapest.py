"""Budgets that no point of a space can keep: found from the least and the most of each quantity, and told with their causes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archdsl.feasible.structure import Group, Structure
from archdsl.feasible.trace import Answer, Key
from archdsl.feasible.window import window_of
from archdsl.ir.counts import short
from archdsl.ir.decisions import active
from archdsl.ir.space import Budget, Space
from archdsl.source.diagnostic import Diagnostic, Note, Report
from archdsl.source.record import dataclass

# parts of the network, and decisions of each, that are told
_PARTS = 3
_TOLD = 12


@dataclass(frozen=True, slots=True)
class Extreme:
    """The point with the least or the most of one quantity: its count, what it decides, and the share of each part."""

    count: int
    point: Mapping[Key, Answer]
    shares: Mapping[str, int]


def extreme(structure: Structure, bound: int, best: Callable[[int, int], int]) -> Extreme | None:
    """The point with the least (`best=min`) or the most (`max`) of a quantity; None if no point can be built at all."""
    coming = structure.extremes(bound, best)
    total = coming[0][0]
    if total is None:
        return None
    state, rest = 0, total
    point: dict[Key, Answer] = {}
    shares: dict[str, int] = {}
    for layer, after in zip(structure.layers, coming[1:], strict=True):
        number, following = layer.states[state]
        group = next(g for g in layer.tables[number].groups if _leads(g, bound, rest, after[following[g.step]]))
        point.update(group.assignments[0])
        share = group.costs[bound]
        shares[layer.piece.stage] = shares.get(layer.piece.stage, 0) + share
        state, rest = following[group.step], rest - share
    return Extreme(total, point, shares)


def _leads(group: Group, bound: int, rest: int, after: int | None) -> bool:
    return after is not None and group.costs[bound] + after == rest


def check_reachable(structure: Structure, report: Report) -> None:
    """Report budgets that exclude each other, or each that is out of reach of every point, with the one that comes nearest."""
    window = window_of(structure)
    for place, (least, most) in enumerate(zip(window.least, window.most, strict=True)):
        if least is not None and most is not None and least > most:
            _excluded(structure, place, report)
            return
    for budget in structure.space.budgets:
        bound = structure.place(budget)
        nearest = extreme(structure, bound, min if budget.operator in ("<", "<=") else max)
        if nearest is None:
            _nothing(structure.space, report)
            return
        if not budget.holds(nearest.count):
            _unreachable(structure, budget, nearest, report)


def _excluded(structure: Structure, place: int, report: Report) -> None:
    about = [budget for budget in structure.space.budgets if structure.place(budget) == place]
    above = max((b for b in about if b.operator in (">", ">=")), key=lambda b: b.limit)
    below = min((b for b in about if b.operator in ("<", "<=")), key=lambda b: b.limit)
    report.error(
        "budget-unreachable",
        "two budgets exclude each other",
        below.span,
        f"no number is both {above.operator} {above.limit:_} and {below.operator} {below.limit:_}",
        notes=[Note("with this one", above.span)],
        help="exchange their bounds, or widen one of them",
    )


def _nothing(space: Space, report: Report) -> None:
    report.error(
        "budget-unreachable",
        f"no point of `{space.name}` can be built and keeps `require`",
        space.model.span,
        "all of them are refused",
        help="build the base first, and open one decision after the other",
    )


def _unreachable(structure: Structure, budget: Budget, nearest: Extreme, report: Report) -> None:
    space = structure.space
    above = budget.operator in ("<", "<=")
    where = f" at {budget.at}" if budget.at else ""
    rule = "" if budget.rule == "fvcore" else f" by {budget.rule}"
    named = named_point(space, nearest.point)
    total = sum(nearest.shares.values()) or 1
    notes = [Note(f"the {'cheapest' if above else 'dearest'} point: {_listed(named)}")]
    largest = sorted(nearest.shares.items(), key=lambda share: -share[1])
    for stage, share in largest[:_PARTS]:
        place = space.model.stages.get(stage)
        if place is None or not share:
            continue
        own = [decision for decision in space.decisions if decision.path.startswith(f"{stage}.") and decision.path in named]
        told = f"`{stage}` takes {short(share)} of it ({100 * share // total} %)"
        if own:
            notes.append(Note(f"{told}: {_listed({d.path: named[d.path] for d in own})}", own[0].span, own[0].listed()))
        else:
            notes.append(Note(told, place.span))
    edge = "at least" if above else "at most"
    report.error(
        "budget-unreachable",
        f"no point of `{space.name}` keeps this budget",
        budget.span,
        f"every point has {edge} {nearest.count:_} {budget.quantity}{where}{rule}",
        notes=notes,
        help=f"write `budget {budget.quantity} {budget.operator} {nearest.count:_}{where}{rule}` or "
        f"{'more' if above else 'less'}, or let the decisions above reach {'lower' if above else 'higher'}",
    )


def apart(structure: Structure) -> Diagnostic:
    """That each budget can be kept, but not all by one point."""
    return _together(structure, f"no point of `{structure.space.name}` keeps all budgets together", "each alone can be kept")


def narrow(structure: Structure, tries: int) -> Diagnostic:
    """That many points were drawn near the budgets, and none kept all of them."""
    message = f"no point of `{structure.space.name}` was found that keeps all budgets together"
    return _together(structure, message, f"each alone can be kept; none of {tries:_} points drawn near them keeps all")


def _together(structure: Structure, message: str, label: str) -> Diagnostic:
    """What is said of all budgets, with what each quantity reaches."""
    space = structure.space
    first, *others = space.budgets
    reach = []
    for number, bound in enumerate(structure.bounds):
        least, most = extreme(structure, number, min), extreme(structure, number, max)
        if least is not None and most is not None:
            where = f" at {bound.at}" if bound.at else ""
            reach.append(Note(f"{bound.quantity}{where} goes from {least.count:_} to {most.count:_}"))
    return Diagnostic(
        "budget-unreachable",
        message,
        first.span,
        label,
        notes=(*(Note("with this one", other.span) for other in others), *reach),
        help="widen one of the budgets, or open more decisions",
    )


def named_point(space: Space, point: Mapping[Key, Answer]) -> dict[str, str]:
    """What a point decides, by path, as a reader writes it."""
    values = {
        decision.key: point.get(decision.key, space.base_point.get(decision.key, decision.values[0]))
        for decision in space.decisions
    }
    return {decision.path: decision.label(values[decision.key]) for decision in active(space.decisions, values)}  # type: ignore[arg-type]


def _listed(named: Mapping[str, str]) -> str:
    told = [f"{path} = {label}" for path, label in named.items()]
    return ", ".join(told[:_TOLD]) + (f", ... {len(told) - _TOLD} more" if len(told) > _TOLD else "")
