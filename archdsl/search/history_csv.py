"""The history of a study as a table for other programs: one row for each trial."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archdsl.search.folder import StudyFolder
    from archdsl.search.trials import History, Trial

_BEFORE = ("index", "state")
_COUNTS = ("params", "flops")
_AFTER = ("hash", "seconds", "error")


def columns(history: History) -> tuple[str, ...]:
    """The header, the same in every run over one space.

    A decision or objective that is called as another column is `decision NAME` or `objective NAME`.
    """
    taken = {*_BEFORE, *_COUNTS, *_AFTER}
    paths = _decisions(history)
    decisions = [f"decision {path}" if path in taken else path for path in paths]
    taken |= set(decisions)
    objectives = [f"objective {name}" if name in taken else name for name in _objectives(history)]
    return (*_BEFORE, *decisions, *_COUNTS, *objectives, *_AFTER)


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


def _row(history: History, trial: Trial) -> list[str]:
    return [
        str(trial.index),
        trial.state,
        *(trial.point.get(path, "") for path in _decisions(history)),
        *(str(trial.params), str(trial.flops)),
        *(repr(trial.values[name]) if name in trial.values else "" for name in _objectives(history)),
        trial.hash,
        f"{sum(trial.seconds.values()):.3f}",
        " ".join((trial.error or "").split()),
    ]


def _decisions(history: History) -> tuple[str, ...]:
    return tuple(decision.path for decision in history.space.decisions)


def _objectives(history: History) -> tuple[str, ...]:
    return tuple(objective.name for objective in history.objectives)
