"""How a study stands: its front beside the base and published models, and in words whether anything better was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from archdsl.report.table import Table
from archdsl.search.figures import COUNTED, shown
from archdsl.search.pareto import front, knee, losses, ranked
from archdsl.search.published import Published, published
from archdsl.search.winners import winner_name, winning

if TYPE_CHECKING:
    from archdsl.ir.space import Objective
    from archdsl.search.trials import History, Trial


# letters of a unit that tables have room for
_SHORT = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A spec in the table of a study; `values` has the objectives that are known of it, `knee` marks the bend of the front."""

    kind: Literal["front", "base", "published"]
    name: str
    index: int | None
    values: Mapping[str, float]
    params: int
    flops: int
    knee: bool = False
    expected: tuple[str, ...] = field(default=(), repr=False)


def standing(history: History, beside: Sequence[Published] | None = None) -> tuple[Row, ...]:
    """The rows of the table: the front (of one objective the best), the base, and the published models `beside`."""
    best = list(front(history) if len(history.objectives) > 1 else _best(history))
    bend = knee([losses(trial.values, history) for trial in best]) if len(history.objectives) > 1 else None
    base = history.base
    rows = [
        Row("front", winner_name(history, t), t.index, t.values, t.params, t.flops, at == bend)
        for at, t in enumerate(best)
        if base is None or t.hash != base.hash
    ]
    on_front = base is not None and base.hash in {trial.hash for trial in best}
    rows.append(_base(history, bend=on_front and bend is not None and base is not None and best[bend].hash == base.hash))
    for other in published(history.space) if beside is None else beside:
        counts: dict[str, float] = {"params": other.params, "flops": other.flops}
        values = {o.name: counts[o.name] for o in history.objectives if o.name in counts}
        rows.append(Row("published", f"@{other.name}", None, values, other.params, other.flops, False, other.expected))
    return tuple(rows)


def _best(history: History) -> tuple[Trial, ...]:
    return winning(history) or tuple(ranked(history, history.objectives[0].name)[:1])


def _base(history: History, *, bend: bool) -> Row:
    """The base, counted where it was not measured."""
    spec, trial = history.space, history.base
    counts: dict[str, float] = {"params": spec.params, "flops": spec.flops}
    values = dict(trial.values) if trial else {}
    values = {o.name: counts[o.name] for o in history.objectives if o.name in COUNTED} | values
    assert spec.space is not None
    return Row("base", spec.space.base_model.name, trial.index if trial else None, values, spec.params, spec.flops, bend)


def table(history: History, rows: Sequence[Row]) -> Table:
    """The rows as a table. The objectives come first, each with its direction; what was never measured is left empty."""
    named = tuple(o.name for o in history.objectives)
    counts = tuple(name for name in COUNTED if name not in named)
    header = ("spec", "", "trial", *(_headed(objective) for objective in history.objectives), *counts)
    return Table(
        header,
        tuple(
            (
                row.name + " *" * row.knee,
                "best" if row.kind == "front" and len(named) == 1 else row.kind,
                "" if row.index is None else str(row.index),
                *(shown(name, row.values[name]) if name in row.values else "" for name in named),
                *(f"{getattr(row, name):_}" for name in counts),
            )
            for row in rows
        ),
        frozenset(range(2, len(header))),
    )


def _headed(objective: Objective) -> str:
    """An objective with its direction, and with its unit where that is short enough for a table."""
    from archdsl.search.objectives.registry import unit

    found = unit(objective.name)
    short = {"milliseconds": "ms", "seconds": "s"}.get(found, found)
    told = f", {short}" if short and len(short) <= _SHORT else ""
    return f"{objective.name} ({objective.direction[:3]}{told})"


def verdict(history: History) -> str:
    """In a sentence or two what came out, against the base."""
    objectives, base = history.objectives, history.base
    if not ranked(history, objectives[0].name):
        many = len(history.trials)
        return f"No spec was measured: {many} trial{'s' * (many != 1)}, none done." if many else "No trial has ended yet."
    if base is None or set(base.values) < {o.name for o in objectives}:
        why = "was not measured" if base is not None or _fits(history) else "is not within the budgets, and was not measured"
        return f"{_leaders(history)} The base {why}."
    return _of_one(history, base) if len(objectives) == 1 else _of_several(history, base)


def _fits(history: History) -> bool:
    assert history.space.space is not None
    return history.space.keeps_budgets(history.space.space.base_point)


def _leaders(history: History) -> str:
    """The best of each objective, with how its counts stand to those of the base, which are known of any base."""
    base = history.space
    parts: list[str] = []
    told: set[int] = set()
    for objective in history.objectives:
        best = ranked(history, objective.name)[0]
        part = f"best {objective.name} {shown(objective.name, best.values[objective.name])} ({winner_name(history, best)})"
        if best.index not in told:
            part += f", with {_change(best.params, base.params, 'params')} and {_change(best.flops, base.flops, 'flops')}"
            part += "" if told else " than the base"
        told.add(best.index)
        parts.append(part)
    joined = "; ".join(parts)
    return f"{joined[0].upper()}{joined[1:]}."


def _change(now: int, was: int, what: str) -> str:
    """`10.3 % fewer flops`; with one digit that counts where there is less than a tenth of a percent."""
    share = 100 * abs(now - was) / max(1, was)
    return f"{share:{'.1g' if 0 < share < 0.1 else '.1f'}} % {'more' if now > was else 'fewer'} {what}"


def _of_one(history: History, base: Trial) -> str:
    objective = history.objectives[0]
    best = ranked(history, objective.name)[0]
    was, now = base.values[objective.name], best.values[objective.name]
    if not _better(objective, now, was):
        return f"No spec better than the base was found: its {objective.name} is {shown(objective.name, was)}."
    change = f", {100 * (now - was) / abs(was):+.1f} %" if was else ""
    return (
        f"{winner_name(history, best)} is better than the base: {objective.name} {shown(objective.name, now)} "
        f"against {shown(objective.name, was)}{change}."
    )


def _of_several(history: History, base: Trial) -> str:
    best = [trial for trial in front(history) if trial.hash != base.hash]
    mark = losses(base.values, history)
    above = [trial for trial in best if all(new <= old for new, old in zip(losses(trial.values, history), mark, strict=True))]
    strictly = [t for t in above if all(new < old for new, old in zip(losses(t.values, history), mark, strict=True))]
    if not best:
        return "No spec better than the base was found: it is the whole front."
    if not above or mark in [losses(trial.values, history) for trial in above]:
        others = f"{len(best)} other{'s' * (len(best) != 1)}"
        return (
            f"No spec better than the base was found: it is on the front, and {others} on it "
            f"{'are' if len(best) != 1 else 'is'} better in one objective and worse in another."
        )
    everywhere = "in every objective"
    if len(strictly) < len(above):
        everywhere = f"{len(strictly) or 'none'} of them {everywhere}" if len(above) > 1 else ""
    many = f"{len(above)} of the {len(best)} specs of the front {'are' if len(above) != 1 else 'is'}"
    leaders = "; ".join(
        f"best {o.name} {shown(o.name, ranked(history, o.name)[0].values[o.name])} against {shown(o.name, base.values[o.name])}"
        for o in history.objectives
    )
    return f"{many} better than the base{f', {everywhere}' if everywhere else ''}. Of all: {leaders}."


def _better(objective: Objective, new: float, old: float) -> bool:
    return new > old if objective.direction == "maximize" else new < old
