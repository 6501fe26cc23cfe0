"""Begin a study, go on with one, or help with one: the Python API of the search."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from archdsl.search.device import check_device
from archdsl.search.events import Listener, Started, Stopped, Waiting, ignore
from archdsl.search.folder import StudyFolder
from archdsl.search.interrupts import Interrupted, Interrupts
from archdsl.search.measured import check
from archdsl.search.settings import Settings
from archdsl.search.study import Opening, Plan, Study, open_study, plan, retry, storage_shown
from archdsl.search.trial_loop import FAILURES, TrialLoop
from archdsl.search.trials import History

if TYPE_CHECKING:
    from archdsl.search.events import Reason

StudyLike = str | os.PathLike[str] | StudyFolder


def run(
    study: StudyLike,
    *,
    trials: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    storage: str | None = None,
    device: str | None = None,
    time_limit: float | None = None,
    failures: int = FAILURES,
    on_event: Listener = ignore,
) -> History:
    """Begin a study, and go through its trials.

    Parameters
    ----------
    study: a folder that holds a `space.arch`, or the file of a space, whose folder is `NAME.study` beside it.
    trials, workers, seed, sampler, storage, device, time_limit: in place of what `study.yaml` says.
    failures: how many trials may fail one after the other before the study stops.
    on_event: told what happens, as `archdsl.search.events` has it.

    Returns
    -------
    What was found.

    Raises
    ------
    SpecError: what is wrong with the folder, the space, the settings or the storage; `study-exists` for one that has trials.
    Interrupted: by Ctrl-C; all that was finished is saved.
    OutOfBounds: an argument is out of its bounds, a `ValueError`.
    """

    def change(found: Settings) -> Settings:
        return found.changed(
            trials=trials,
            workers=workers,
            seed=seed,
            sampler=sampler,
            storage=storage,
            device=device,
            time_limit=time_limit,
        )

    return _run(_folder(study), change, "begin", None, on_event, failures)


def resume(
    study: StudyLike,
    *,
    trials: int | None = None,
    workers: int | None = None,
    storage: str | None = None,
    device: str | None = None,
    time_limit: float | None = None,
    retry_failed: bool = False,
    failures: int = FAILURES,
    on_event: Listener = ignore,
) -> History:
    """Go on with a study, with the sampler and the seed that it was begun with.

    With one worker, and objectives that are functions of spec and seed, its trials are those of a run that was never stopped.

    Parameters
    ----------
    trials: how many are wanted in total from now on, no fewer than are done.
    retry_failed: evaluate the specs of failed trials again; what comes of it is the outcome of the same trials.
    workers, storage, device, time_limit, failures, on_event: as `run` takes them.

    Raises
    ------
    SpecError: as `run`; `not-a-study` for one that was never begun, `study-changed` where its space, its objectives or
        what these are measured on changed.
    """

    def change(found: Settings) -> Settings:
        return found.changed(trials=trials, workers=workers, storage=storage, device=device, time_limit=time_limit)

    return _run(_folder(study), change, "go on", trials, on_event, failures, retry_failed=retry_failed)


def worker(
    study: StudyLike,
    *,
    storage: str | None = None,
    device: str | None = None,
    time_limit: float | None = None,
    failures: int = FAILURES,
    on_event: Listener = ignore,
) -> History:
    """Help with a study that is run elsewhere, on the same storage, until its trials are done.

    Raises as `resume` does.
    """

    def change(found: Settings) -> Settings:
        return found.changed(workers=1, storage=storage, device=device, time_limit=time_limit)

    return _run(_folder(study), change, "join", None, on_event, failures)


def _folder(study: StudyLike) -> StudyFolder:
    folder = study if isinstance(study, StudyFolder) else StudyFolder.of(study)
    if folder.file is None:
        return folder
    from archdsl.search.copying import copied
    from archdsl.search.study import load_space

    # the folder is a study of its own from then on
    return copied(folder, load_space(folder), folder.path)


def _run(
    folder: StudyFolder,
    change: Callable[[Settings], Settings],
    how: Opening,
    trials: int | None,
    on_event: Listener,
    failures: int,
    *,
    retry_failed: bool = False,
) -> History:
    found = plan(folder, change, anew=how == "begin")
    # a budget that nothing fits, data or a device that is not there, is said before anything is written
    found.feasible.count()
    check_device(found.settings.device)
    check(found, anew=how == "begin")
    with Interrupts() as interrupts:
        study = open_study(found, how, trials=trials, waiting=lambda reason: on_event(Waiting(reason)))
        try:
            study.ledger.sync()
            if retry_failed:
                retry(study)
            on_event(_started(found, study))
            try:
                reason = _worked(study, how, on_event, interrupts, failures)
            except Exception:
                if how != "join":
                    _conclude_anyway(study)
                raise
            history = study.history()
        finally:
            study.storage.close()
        on_event(Stopped(reason, len(history.trials), study.total, _text(reason, study)))
    if how != "join":
        conclude(folder, history)
    if reason == "interrupted":
        raise Interrupted
    return history


def _worked(study: Study, how: Opening, on_event: Listener, interrupts: Interrupts, failures: int) -> Reason:
    if study.plan.settings.workers == 1:
        # one who helps does not ask after the others
        return TrialLoop(study, on_event, interrupts, failures=failures, orderly=how != "join").run()
    from archdsl.search.workers import supervise

    return supervise(study, on_event, interrupts, failures=failures)


def _conclude_anyway(study: Study) -> None:
    """Write what was found before something went wrong, which is not hidden by what else does."""
    with suppress(Exception):
        history = study.history()
        if history.trials:
            conclude(study.plan.folder, history)


def _started(found: Plan, study: Study) -> Started:
    from archdsl.search.beginning import BASE_NOTE

    noted = study.storage.get_study_user_attrs(study.study_id).get(BASE_NOTE)
    return Started(
        name=found.lock.space,
        total=study.total,
        done=study.ledger.done(study.total),
        objectives=tuple((objective.direction, objective.name) for objective in study.objectives),
        sampler=found.lock.sampler,
        seed=found.lock.seed,
        workers=found.settings.workers,
        storage=storage_shown(found),
        notes=(*study.notes, *([noted] if noted else [])),
    )


def _text(reason: Reason, study: Study) -> str:
    if reason == "exhausted":
        return f"every feasible spec has been seen: there are {len(study.ledger.by_hash):_}"
    return ""


def conclude(folder: StudyFolder, history: History) -> None:
    """Write what a study found into its folder: the history as a table, the winners, the results.

    Raises
    ------
    SpecError: `unwritable-study`.
    """
    from archdsl.search.history_csv import write_history
    from archdsl.search.results import write_results
    from archdsl.search.winners import write_winners

    write_history(history, folder)
    if history.done:
        write_winners(history, folder)
        write_results(history, folder)
