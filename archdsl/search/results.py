"""`RESULTS.md`: what a study found, how, and how to do it again."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.ir.rules import counted
from archdsl.report.table import Table
from archdsl.search.figures import duration
from archdsl.search.pareto import comparable
from archdsl.search.published import Published, published
from archdsl.search.standing import Row, standing, table, verdict
from archdsl.search.winners import winning
from archdsl.source.cells import safe_line

if TYPE_CHECKING:
    from archdsl.ir.space import Budget
    from archdsl.search.folder import StudyFolder
    from archdsl.search.lock import Lock
    from archdsl.search.trials import History, Trial

UNTRAINED = ("zen_score", "zico", "naswot", "synflow", "grad_norm")
"""Objectives that score networks before they are trained."""

_TIMED = ("latency", "memory")
# of a trial, what is about numbers and names alone
_NUMBER = re.compile(r"0x[0-9a-f]+|\d[\d_]*(\.\d+)?(e[+-]?\d+)?")


def write_results(history: History, folder: StudyFolder) -> Path:
    """Write `RESULTS.md` to the folder of the study, and return where. Raises `SpecError` `unwritable-study`."""
    from archdsl.search.lock import Lock

    folder.write(folder.results, results(history, Lock.read(folder)))
    return folder.results


def results(history: History, lock: Lock | None, *, beside: Sequence[Published] | None = None) -> str:
    """The page; `beside` are published models, looked for where they are not given."""
    beside = published(history.space) if beside is None else beside
    rows = standing(history, beside)
    found = "Front" if len(history.objectives) > 1 else "Best"
    sections = [
        f"# Results of {safe_line(history.space.name)}\n\nWritten by `archdsl search`. {progress(history)}",
        verdict(history),
        f"## {found}\n\n{table(history, _linked(history, rows)).markdown()}\n\n{' '.join(notes(history, rows))}",
        f"## Budgets\n\n{budgets(history).markdown()}\n\n{_kept(history)}" if _budgets(history) else "",
        f"## Failures\n\n{failures(history).markdown()}" if failures(history).rows else "",
        f"## Settings\n\n{settings(history, lock).markdown()}",
        f"## Again\n\n```sh\n{again(history, lock)}\n```\n\n{_same(history)}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _linked(history: History, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with winners that lead to their files."""
    won = {trial.index for trial in winning(history)}
    return tuple(
        replace(row, name=f"[{row.name}](winners/{row.name}.arch)") if row.kind == "front" and row.index in won else row
        for row in rows
    )


def progress(history: History) -> str:
    """How many trials there were, and what became of them, in a sentence."""
    states = Counter(trial.state for trial in history.trials)
    same = sum(trial.same_as is not None for trial in history.trials)
    parts = [f"{states[state]:_} {state}" for state in ("done", "pruned", "failed") if states[state]]
    if same:
        parts.append(f"{same:_} of them the same spec as an earlier one")
    told = f": {', '.join(parts)}" if parts else ""
    return f"{len(history.trials):_} of {history.total:_} trials have ended{told}."


def failures(history: History) -> Table:
    """The failed trials by reason. Reasons that differ in numbers only are one, told by its first."""
    first: dict[str, Trial] = {}
    many: Counter[str] = Counter()
    for trial in sorted(history.trials, key=lambda trial: trial.index):
        if trial.state == "failed":
            key = _NUMBER.sub("#", _reason(trial))
            first.setdefault(key, trial)
            many[key] += 1
    rows = tuple((str(count), _reason(first[key]), str(first[key].index)) for key, count in many.most_common())
    return Table(("trials", "reason", "first"), rows, frozenset({0, 2}))


def _reason(trial: Trial) -> str:
    text = " ".join((trial.error or "no reason was kept").split())
    return text if len(text) <= 200 else f"{text[:197]}..."


# --- budgets ------------------------------------------------------------------------------------------------------


def budgets(history: History) -> Table:
    """Each budget with what the base takes, and the specs that were measured: from the least to the most."""
    space = history.space.space
    assert space is not None
    done = comparable(history)
    rows = []
    for budget in _budgets(history):
        network = space.network(space.base_point, at=budget.at)
        base = counted(network, [(budget.quantity, budget.rule)])[budget.quantity, budget.rule]
        used = sorted(_used(history, budget, done))
        span = ("", "") if not used else (f"{used[0]:_}", f"{used[-1]:_}")
        rows.append((_told(budget), f"{base:_}", *span))
    return Table(("budget", "base", "least", "most"), tuple(rows), frozenset({1, 2, 3}))


def _budgets(history: History) -> tuple[Budget, ...]:
    assert history.space.space is not None
    return history.space.space.budgets


def _told(budget: Budget) -> str:
    at = f" at {budget.at}" if budget.at else ""
    by = f" by {budget.rule}" if budget.rule != "fvcore" else ""
    return f"{budget.quantity} {budget.operator} {budget.limit:_}{at}{by}"


def _used(history: History, budget: Budget, trials: Sequence[Trial]) -> Iterator[int]:
    """What trials take of a budget, by the rule and at the size that it names."""
    space = history.space.space
    assert space is not None
    for trial in trials:
        if budget.rule == "fvcore" and budget.at in (None, space.base_network.image.size):
            yield trial.params if budget.quantity == "params" else trial.flops
        else:
            network = space.network(space.point(trial.point), at=budget.at)
            yield counted(network, [(budget.quantity, budget.rule)])[budget.quantity, budget.rule]


def _kept(history: History) -> str:
    done = comparable(history)
    over = sum(any(not budget.holds(count) for count in _used(history, budget, done)) for budget in _budgets(history))
    if not done:
        return "No spec was measured."
    if over:
        return "Some of the measured specs are not within the budgets, which a search never proposes: a bug in archdsl."
    return f"All {len(done):_} specs that were measured are within the budgets; fvcore counted each on its reference graph."


# --- settings -----------------------------------------------------------------------------------------------------


def settings(history: History, lock: Lock | None) -> Table:
    """What the study was run with, versions included."""
    rows = [("study", history.study), *_chosen(history, lock)]
    for objective in history.objectives:
        given = dict(history.settings.objectives.get(objective.name, {}))
        told = ", ".join(f"{name} = {value}" for name, value in given.items()) or "as by default"
        rows.append((f"{objective.direction} {objective.name}", told))
    if lock is not None:
        rows += [("counting", lock.convention), ("space", f"{lock.space}, {lock.space_hash[:16]}")]
        rows += [(name, version) for name, version in lock.versions.items()]
    seconds = Counter[str]()
    for trial in history.trials:
        seconds.update(trial.seconds)
    if seconds:
        steps = ", ".join(f"{name} {duration(spent)}" for name, spent in seconds.items())
        rows.append(("time", f"{duration(math.fsum(seconds.values()))} over all trials: {steps}"))
    return Table(("setting", "value"), tuple((name, safe_line(value)) for name, value in rows))


def _chosen(history: History, lock: Lock | None) -> Iterator[tuple[str, str]]:
    for entry in fields(history.settings):
        value = getattr(history.settings, entry.name)
        # a storage may be the address of somebody's server
        if entry.name in ("objectives", "places", "storage", "written") or value is None:
            continue
        if entry.name == "sampler" and lock is not None and lock.sampler != value:
            value = f"{lock.sampler} (chosen by {value})"
        if entry.name == "trials":
            value = history.total
        yield entry.name, str(value)


def again(history: History, lock: Lock | None) -> str:
    """The calls that repeat the study, in its folder. The sampler goes by the trials that were wanted first."""
    given = history.settings
    first = lock.trials if lock is not None else history.total
    flags = [f"--trials {first}", f"--sampler {given.sampler}", f"--seed {given.seed}"]
    if given.device != "cpu":
        flags.append(f"--device {given.device}")
    if given.workers != 1:
        flags.append(f"--workers {given.workers}")
    if given.time_limit is not None:
        flags.append(f"--time-limit {given.time_limit:g}")
    more = f"\narchdsl search resume ../again --trials {history.total}" if history.total != first else ""
    return f"archdsl search run . -o ../again {' '.join(flags)}{more}"


def _same(history: History) -> str:
    """Which of it comes out the same."""
    told = (
        "This begins the study anew, beside this folder. With one worker, the same versions and objectives that are functions "
        "of spec and seed, the same specs come out."
    )
    timed = [o.name for o in history.objectives if o.name in _TIMED]
    if timed:
        told += (
            f" {_named(timed)} {'depends' if len(timed) == 1 else 'depend'} on the machine, so another run may go another way."
        )
    return told


# --- notes --------------------------------------------------------------------------------------------------------


def notes(history: History, rows: Sequence[Row]) -> list[str]:
    """What has to be known to read the table, in sentences."""
    told = ["Counts are exact; FLOPs are those of one image by fvcore's rules, a multiply-add is one."]
    if any(row.knee for row in rows):
        told.append("`*` is the bend of the front: its objectives, each scaled from its best to its worst there, add up best.")
    if any(row.kind == "published" for row in rows):
        told.append("Published models are counted, not measured here: an empty cell is a value that nobody measured.")
    untrained = [o.name for o in history.objectives if o.name in UNTRAINED]
    if untrained:
        told.append(
            f"{_named(untrained)} {'scores' if len(untrained) == 1 else 'score'} networks before they are trained: "
            "what these specs reach when they are trained was not measured by it."
        )
    return told


def _named(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
