"""The beginning of a study: made in its storage, with its lock, where there is none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl.search.ledger import WORKER, Ledger
from archdsl.search.lock import Lock
from archdsl.search.problems import results_exist, study_elsewhere, study_exists
from archdsl.search.storage import file_of, placed, reading_storage, shown

if TYPE_CHECKING:
    from archdsl.search.folder import StudyFolder
    from archdsl.search.patient import PatientStorage
    from archdsl.search.study import Plan

# noted in the storage of a study whose base is no trial
BASE_NOTE = "base"


def begin(storage: PatientStorage, found: Plan) -> int:
    """Make the study of a folder, and write its lock. Raises `SpecError` `study-exists` where it was begun."""
    folder, old = found.folder, found.old
    _refuse_elsewhere(found)
    with storage.guard:
        if Lock.read(folder) != old:
            # somebody was faster
            raise study_exists(folder.name, 0)
        for name in {found.lock.study, old.study if old else found.lock.study}:
            _refuse_begun(storage, name, folder)
        if results := results_of(folder):
            raise results_exist(folder.name, results)
        study_id = id_of(storage, found.lock.study)
        if study_id is None:
            study_id = _create(storage, found)
        found.lock.write(folder)
    return study_id


def _refuse_begun(storage: PatientStorage, name: str, folder: StudyFolder) -> None:
    """Raise `SpecError` `study-exists` where a study has trials, or somebody works on its first one."""
    from archdsl.search.lease import is_dead

    study_id = id_of(storage, name)
    if study_id is None:
        return
    ledger = Ledger(storage, study_id)
    ledger.sync()
    running = [frozen for frozen in ledger.open.values() if frozen.state.name == "RUNNING"]
    if ledger.finished or any(not is_dead(frozen.user_attrs.get(WORKER, "")) for frozen in running):
        raise study_exists(folder.name, len(ledger.finished))


def _refuse_elsewhere(found: Plan) -> None:
    """Raise `SpecError` `study-exists` where the study of the lock has trials in another storage, or may have some."""
    folder, old = found.folder, found.old
    if old is None or old.storage == found.lock.storage:
        return
    before = placed(old.storage, folder.path) if old.storage is not None else None
    file = file_of(before, folder.database)
    if file is None:
        # one asks no server that is not named, which may want a password
        raise study_elsewhere(folder.name, shown(before, folder.database))
    if file.exists():
        with reading_storage(before, folder.database) as opened:
            _refuse_begun(opened, old.study, folder)


def _create(storage: PatientStorage, found: Plan) -> int:
    from optuna.exceptions import DuplicatedStudyError
    from optuna.study import StudyDirection

    directions = [StudyDirection[direction.upper()] for direction in found.lock.directions.values()]
    try:
        return storage.create_new_study(directions, found.lock.study)
    except DuplicatedStudyError:
        # somebody was faster
        return storage.get_study_id_from_name(found.lock.study)


def prepare(storage: PatientStorage, study_id: int, found: Plan) -> None:
    """Make the base the first trial of a study that has none, where it keeps the budgets."""
    from archdsl.search.claims import enqueue_first
    from archdsl.search.space_to_optuna import to_params

    space = found.space
    with storage.guard:
        if storage.get_n_trials(study_id) or BASE_NOTE in storage.get_study_user_attrs(study_id):
            return
        if space.keeps_budgets(space.base_point):
            enqueue_first(storage, study_id, to_params(space, space.point({})))
        else:
            storage.set_study_user_attr(study_id, BASE_NOTE, "the base is over a budget, and is not evaluated")


def id_of(storage: PatientStorage, name: str) -> int | None:
    """The number that a storage has for a study; None where it has none."""
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return None


def results_of(folder: StudyFolder) -> int:
    """How many trials the table of what was found has."""
    from archdsl.search.history_csv import rows

    return len(rows(folder))
