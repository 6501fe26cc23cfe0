"""A trial measured again with the seed of its study, to see whether the same comes out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.search.evaluator import Evaluator
from archdsl.search.folder import StudyFolder
from archdsl.search.job import job, order, threads_of
from archdsl.search.measured import check
from archdsl.search.study import plan, read_study

if TYPE_CHECKING:
    from archdsl.search.trials import Trial


@dataclass(frozen=True, slots=True)
class Replay:
    """What came out when a trial was measured again.

    `values` are the new ones, `error` why there are none. `repeatable` names the objectives that are functions of spec and
    seed: these have to be equal to the last bit, others are measured anew and never disagree.
    """

    trial: Trial
    values: Mapping[str, float]
    repeatable: frozenset[str]
    error: str | None = None

    @property
    def differing(self) -> tuple[str, ...]:
        """The repeatable objectives whose value is another one."""
        stored = self.trial.values
        return tuple(name for name in stored if name in self.repeatable and self.values.get(name) != stored[name])

    @property
    def agrees(self) -> bool:
        """Whether the trial ended again as it did, with equal values."""
        return (self.trial.state == "done") == (self.error is None) and not self.differing


def replay(study: str | os.PathLike[str] | StudyFolder, index: int, *, storage: str | None = None) -> Replay:
    """Measure a trial of a study again, in a process of its own, as the study did: fvcore confirms its counts, too.

    Equal values can be expected of the versions in the lock, on the device and with the number of threads of the study.

    Parameters
    ----------
    storage: where its trials are kept, needed where the URL has a password.

    Raises
    ------
    SpecError: what is wrong with the study, or with the process.
    ValueError: the study has no such trial, it was pruned, or it failed before it had a spec.
    """
    folder = study if isinstance(study, StudyFolder) else StudyFolder.of(study)
    history = read_study(folder, storage=storage)
    trial = next((found for found in history.trials if found.index == index), None)
    if trial is None:
        raise ValueError(f"`{folder.name}` has no trial {index} that has ended")
    if trial.state == "pruned":
        raise ValueError(f"trial {index} was stopped on its way, which other trials had a part in")
    if not trial.point or not trial.hash:
        raise ValueError(f"trial {index} has no spec: {trial.error or 'it failed before'}")
    found = plan(folder)
    check(found, anew=False)
    orders = order(found, pruning=False, threads=threads_of(found))
    evaluator = Evaluator(orders, found.settings.time_limit)
    try:
        result = evaluator.evaluate(job(found, found.space.point(trial.point), trial.hash))
    finally:
        evaluator.close()
    measured = found.measured()
    values = dict(zip((objective.name for objective in measured), result["values"], strict=False))
    repeatable = frozenset(objective.name for objective in measured if objective.repeatable)
    error = None if result["state"] == "done" else result["error"] or result["state"]
    return Replay(trial, values, repeatable, error)
