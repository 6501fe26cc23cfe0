"""The history of a study as a table for other programs: one row for each trial."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.search.figures import COUNTED

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.ir.space import Objective
    from archdsl.search.folder import StudyFolder
    from archdsl.search.trials import History, Trial

_BEFORE = ("index", "state")
_AFTER = ("hash", "seconds", "error")


def columns(history: History) -> tuple[str, ...]:
    """The header, the same in every run over one space.

    A decision or objective that is called as another column is `decision NAME` or `objective NAME`. A counted objective has
    the column of its count.
    """
    decisions, objectives = _columns(history.space, history.objectives)
    return (*_BEFORE, *decisions.values(), *COUNTED, *(objectives[name] for name in _measured(history)), *_AFTER)


def _columns(space: Spec, objectives: Iterable[Objective]) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of decisions by path, and those of objectives by name."""
    taken = {*_BEFORE, *COUNTED, *_AFTER}
    decisions = {found.path: f"decision {found.path}" if found.path in taken else found.path for found in space.decisions}
    taken |= set(decisions.values())
    names = (objective.name for objective in objectives)
    return decisions, {name: f"objective {name}" if name in taken and name not in COUNTED else name for name in names}


def history_csv(history: History) -> str:
    """The table as CSV: trials by index, decisions as labels, seconds in all. What a trial does not have is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns(history))
    writer.writerows(_row(history, trial) for trial in sorted(history.trials, key=lambda trial: (trial.index, trial.number)))
    return text.getvalue()


def write_history(history: History, folder: StudyFolder) -> Path:
    """Write it to the folder of the study, and return where. Raises `SpecError` `unwritable-study`."""
    folder.write(folder.history, history_csv(history))
    return folder.history


def rows(folder: StudyFolder) -> list[dict[str, str]]:
    """The rows of the table of a folder; none where it has no table.

    Raises
    ------
    SpecError: `damaged-study`.
    """
    from archdsl.search.problems import damaged

    if not folder.history.is_file():
        return []
    try:
        with folder.history.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            return [{name: value or "" for name, value in row.items() if name is not None} for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise damaged(folder.history.as_posix(), str(error)) from None


def read_trials(folder: StudyFolder, space: Spec) -> tuple[Trial, ...]:
    """The trials of the table of a folder, by index. It tells neither their numbers in the storage nor when they ended.

    Raises
    ------
    SpecError: `damaged-study`, also for a table of another space.
    """
    from archdsl.search.problems import damaged

    first: dict[str, int] = {}
    try:
        found = sorted((_trial(row, space) for row in rows(folder)), key=lambda trial: trial.index)
        if len({trial.index for trial in found}) < len(found):
            raise ValueError("a trial stands in it twice")
    except KeyError as error:
        raise damaged(folder.history.as_posix(), f"it has no column `{error.args[0]}`") from None
    except ValueError as error:
        raise damaged(folder.history.as_posix(), str(error)) from None
    for trial in found:
        first.setdefault(trial.hash, trial.index)
    same = ((trial, first[trial.hash]) for trial in found)
    return tuple(replace(trial, same_as=index) if trial.hash and index != trial.index else trial for trial, index in same)


def _trial(row: dict[str, str], spec: Spec) -> Trial:
    from archdsl.search.trials import Trial

    space = spec.space
    assert space is not None
    state = row["state"]
    if state not in ("done", "pruned", "failed"):
        raise ValueError(f"there is no state `{state:.20}`")
    labels = {path: label for path, column in _columns(spec, space.objectives)[0].items() if (label := row[column])}
    values = {name: float(row[column]) for name, column in _columns(spec, space.objectives)[1].items() if row[column]}
    seconds, index = float(row["seconds"]), int(row["index"])
    return Trial(
        index=index,
        number=index,
        state=state,  # type: ignore[arg-type]
        point=dict(space.point(labels).named) if labels else {},
        values=values if state == "done" else {},
        params=int(row["params"]),
        flops=int(row["flops"]),
        hash=row["hash"],
        seconds={"all": seconds} if seconds else {},
        finished=None,
        error=row["error"] or None,
    )


def _row(history: History, trial: Trial) -> list[str]:
    return [
        str(trial.index),
        trial.state,
        *(trial.point.get(path, "") for path in _decisions(history)),
        *(str(trial.params), str(trial.flops)),
        *(repr(trial.values[name]) if name in trial.values else "" for name in _measured(history)),
        trial.hash,
        f"{sum(trial.seconds.values()):.3f}",
        " ".join((trial.error or "").split()),
    ]


def _decisions(history: History) -> tuple[str, ...]:
    return tuple(decision.path for decision in history.space.decisions)


def _measured(history: History) -> tuple[str, ...]:
    """The objectives with a column of their own."""
    return tuple(objective.name for objective in history.objectives if objective.name not in COUNTED)
