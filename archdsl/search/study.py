"""An Optuna study in a folder: begun, opened again, or only looked at."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

from archdsl.search import lock as locks
from archdsl.search.beginning import BASE_NOTE, begin, id_of, prepare, results_of
from archdsl.search.folder import StudyFolder
from archdsl.search.job import share_of_threads
from archdsl.search.ledger import Ledger
from archdsl.search.lock import Lock
from archdsl.search.measured import measured
from archdsl.search.problems import never_begun, no_objective, not_a_study, results_exist
from archdsl.search.settings import OutOfBounds, Settings
from archdsl.search.storage import file_of, kept, open_storage, placed, reading_storage, shown
from archdsl.search.trials import History, Trial, trial_of

if TYPE_CHECKING:
    import optuna

    from archdsl.api import Spec
    from archdsl.feasible import Feasible
    from archdsl.ir.space import Objective, Space
    from archdsl.search.objectives.objective import Objective as Measured
    from archdsl.search.patient import PatientStorage

Opening = Literal["begin", "go on", "join"]
# noted in the storage of a study: how many trials are wanted
TOTAL = "trials"


@dataclass(kw_only=True)
class Plan:
    """A study as its folder has it, before its storage is asked. `old` is the lock that was there.

    `untaken` are settings of `study.yaml` that are not taken, as the study was begun with others: both as they may be told.
    """

    folder: StudyFolder
    spec: Spec
    settings: Settings
    lock: Lock
    old: Lock | None
    untaken: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        assert self.spec.space is not None
        return self.spec.space

    @cached_property
    def feasible(self) -> Feasible:
        """The counting structure of the space. Raises `SpecError` where no point fits."""
        from archdsl.feasible import Feasible

        return Feasible(self.space)

    def measured(self) -> tuple[Measured, ...]:
        """The objectives with their settings, paths seen from the folder. Raises `SpecError` `bad-setting`, `broken-plugin`."""
        return tuple(measured(name, self.settings, self.folder.path) for name in self.lock.directions)


def plan(folder: StudyFolder, change: Callable[[Settings], Settings] = lambda found: found, *, anew: bool = False) -> Plan:
    """Read the folder of a study.

    Parameters
    ----------
    change: puts what a call says in the place of what `study.yaml` says.
    anew: the study is to begin. Otherwise what was chosen when it was begun stays.

    Raises
    ------
    SpecError: what is wrong with the space, the settings, or the lock.
    """
    spec = load_space(folder)
    assert spec.space is not None
    names = tuple(objective.name for objective in spec.space.objectives)
    if not names:
        raise no_objective(spec.name)
    written = Settings.read(folder.settings, objectives=names)
    if written.storage is not None:
        written = replace(written, storage=placed(written.storage, folder.path))
    old = Lock.read(folder)
    begun = written if old is None or anew else _as_begun(written, old, folder)
    settings = change(begun)
    if settings.storage is not None:
        settings = replace(settings, storage=placed(settings.storage, Path.cwd()))
    # what a call says is taken
    untaken = {name: told for name, told in _untaken(written, begun, folder) if getattr(settings, name) == getattr(begun, name)}
    now = _lock_of(spec, settings, folder)
    if old is not None and not anew:
        old.refuse_changes(folder, now)
    elif old is not None and replace(now, study=old.study, versions=old.versions, fingerprints=old.fingerprints) == old:
        # a beginning that was cut off is begun again under its name
        now = replace(now, study=old.study)
    return Plan(folder=folder, spec=spec, settings=settings, lock=now if anew or old is None else old, old=old, untaken=untaken)


def _as_begun(written: Settings, old: Lock, folder: StudyFolder) -> Settings:
    """The settings of a file, with what was chosen when the study was begun."""
    storage = written.storage
    if old.storage is None:
        storage = None
    elif storage is None or kept(storage, folder.path) != old.storage:
        # of an equal one the file may know the password
        storage = placed(old.storage, folder.path)
    return replace(
        written,
        trials=old.trials,
        seed=old.seed,
        sampler=old.sampler,
        device=old.device,
        time_limit=old.time_limit,
        storage=storage,
    )


def _untaken(written: Settings, begun: Settings, folder: StudyFolder) -> Iterator[tuple[str, tuple[str, str]]]:
    """The settings of a file that differ from those that the study was begun with."""
    for name in ("trials", "sampler", "seed", "device", "time_limit", "storage"):
        was, now = getattr(written, name), getattr(begun, name)
        if name not in written.written or was == now:
            continue
        if name == "sampler" and was == "auto":
            # which stands for the one of the lock
            continue
        yield name, (_as_told(name, was, folder), _as_told(name, now, folder))


def _as_told(name: str, value: object, folder: StudyFolder) -> str:
    if name == "storage":
        return shown(None if value is None else str(value), folder.database)
    return "none" if value is None else str(value)


def load_space(folder: StudyFolder) -> Spec:
    """The space of a study; its file may hold archs beside it.

    Raises
    ------
    SpecError: what is wrong with it, `not-a-study` where the file has none, or several.
    """
    from archdsl.api import load
    from archdsl.ir.library import Library
    from archdsl.ir.reference import opened
    from archdsl.lang import ast
    from archdsl.source.diagnostic import Report

    path = folder.space
    loaded, _ = opened(path.as_posix(), Library(Report()))
    # what is wrong with the file is said where it is loaded
    spaces = [item.name.id for item in loaded.models() if isinstance(item, ast.Space)] if loaded is not None else [""]
    if len(spaces) != 1:
        reason = f"`{path.as_posix()}` has {', '.join(spaces) or 'no space'}"
        raise not_a_study(folder.path, reason, "write one `space NAME over ARCH { ... }` in it")
    return load(path, name=spaces[0] or None)


def _lock_of(spec: Spec, settings: Settings, folder: StudyFolder) -> Lock:
    from archdsl.search.sampler import chosen_sampler

    space = spec.space
    assert space is not None
    directions = {objective.name: objective.direction for objective in space.objectives}
    objectives = {name: dict(given) for name, given in settings.objectives.items() if given}
    sampler = chosen_sampler(settings.sampler, objectives=len(directions), trials=settings.trials)
    return Lock(
        # several studies of a space may share a database, equal ones among them
        study=f"{spec.name}-{token_hex(6)}",
        space=spec.name,
        space_hash=locks.space_hash(spec),
        seed=settings.seed,
        sampler=sampler,
        trials=settings.trials,
        objectives=objectives,
        directions=directions,
        storage=kept(settings.storage, folder.path) if settings.storage is not None else None,
        device=settings.device,
        time_limit=settings.time_limit,
        threads=share_of_threads(settings),
        versions=locks.versions(),
    )


class Study:
    """A study that is open: its plan, its storage, and what is known of its trials."""

    def __init__(self, plan: Plan, storage: PatientStorage, study_id: int) -> None:
        self.plan, self.storage, self.study_id = plan, storage, study_id
        # what a reader may want to know
        self.notes: tuple[str, ...] = ()
        self.ledger = Ledger(storage, study_id)
        self.total = plan.settings.trials

    def optuna(self) -> optuna.Study:
        """The study as samplers and pruners want it, new for each trial: it holds what it has read."""
        from optuna import Study as OptunaStudy

        return OptunaStudy(self.plan.lock.study, self.storage)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return self.plan.space.objectives

    def read_total(self) -> int:
        """How many trials are wanted by now."""
        self.total = int(self.storage.get_study_user_attrs(self.study_id).get(TOTAL, self.total))
        return self.total

    def trial(self, index: int) -> Trial:
        """A trial that has ended."""
        return trial_of(self.ledger.finished[index], index, self.plan.space, self.objectives)

    def history(self) -> History:
        """All that is known by now."""
        self.ledger.sync()
        trials = tuple(self.trial(index) for index in sorted(self.ledger.finished))
        noted = self.storage.get_study_user_attrs(self.study_id)
        base = trials[0] if trials and trials[0].index == 0 and not noted.get(BASE_NOTE) else None
        return History(
            study=self.plan.lock.study,
            space=self.plan.spec,
            objectives=self.objectives,
            base=base,
            trials=trials,
            total=int(noted.get(TOTAL, self.plan.settings.trials)),
            settings=self.plan.settings,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna tells neither of studies it makes nor of what is experimental in it: that is for us to know."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(
    found: Plan, how: Opening, *, trials: int | None = None, waiting: Callable[[str], None] = lambda reason: None
) -> Study:
    """Open the study of a plan, and say in the storage how many trials are wanted.

    Parameters
    ----------
    how: `begin` a new one; `go on` with one that was begun; `join` one that somebody runs.
    trials: how many are wanted from now on, where that is said.

    Raises
    ------
    SpecError: `study-exists` for one that has trials, `not-a-study` for one that is not there; what is wrong with the storage.
    OutOfBounds: fewer trials are wanted than are done.
    """
    folder, lock, settings = found.folder, found.lock, found.settings
    file = file_of(settings.storage, folder.database)
    if file is not None and not file.exists():
        # nothing is made where nothing is to be begun
        if how != "begin":
            raise never_begun(folder.path, results_of(folder))
        if results := results_of(folder):
            raise results_exist(folder.name, results)
    storage = open_storage(settings.storage, folder.database, waiting=waiting)
    with quiet():
        if how != "begin":
            found_id = id_of(storage, lock.study)
            if found_id is None:
                if results := results_of(folder):
                    raise never_begun(folder.path, results)
                begins = f"`archdsl search run {folder.name}` begins it"
                raise not_a_study(folder.path, "its storage has no such study", begins)
            study_id = found_id
        else:
            # a lock promises that there is a study in the storage
            study_id = begin(storage, found)
        if how != "join":
            prepare(storage, study_id, found)
    study = Study(found, storage, study_id)
    noted = storage.get_study_user_attrs(study_id)
    wanted = trials if trials is not None else lock.trials
    if trials is not None and how == "go on":
        _refuse_fewer(storage, study_id, trials)
    if trials is not None or how == "begin" or TOTAL not in noted:
        storage.set_study_user_attr(study_id, TOTAL, wanted)
    study.read_total()
    study.notes = (*lock.notes(locks.versions()), *_notes(found, study.total))
    return study


def retry(study: Study) -> int:
    """Have the failed trials of a study tried again, each under its index; how many there were."""
    from archdsl.search.claims import Claims
    from archdsl.search.lease import Lease
    from archdsl.search.space_to_optuna import distributions

    with quiet(), study.storage.guard, Lease(study.storage.inner) as lease:
        study.ledger.sync()
        names = frozenset(distributions(study.plan.space))
        count = Claims(study.storage, study.study_id, study.ledger, lease, names).retry()
        study.ledger.sync()
    return count


def _notes(found: Plan, total: int) -> Iterator[str]:
    for name, (was, now) in found.untaken.items():
        now = str(total) if name == "trials" else now
        if was != now:
            yield f"study.yaml has `{name}: {was}`, which is not taken: the study goes on with {now}"


def _refuse_fewer(storage: PatientStorage, study_id: int, trials: int) -> None:
    ledger = Ledger(storage, study_id)
    ledger.sync()
    if trials < (done := len(ledger.finished)):
        raise OutOfBounds(f"`trials` is {trials:_}, and {done:_} are done: it says how many there shall be in all")


def read_study(study: str | os.PathLike[str] | StudyFolder, *, storage: str | None = None) -> History:
    """As `archdsl.search.trials.history`."""
    folder = study if isinstance(study, StudyFolder) else StudyFolder.of(study)
    found = plan(folder)
    if storage is not None:
        found.settings = found.settings.changed(storage=storage)
    where = found.settings.storage
    file = file_of(where, folder.database)
    if file is not None and not file.exists():
        return _from_table(found)
    with reading_storage(where, folder.database) as opened, quiet():
        study_id = id_of(opened, found.lock.study)
        return _from_table(found) if study_id is None else Study(found, opened, study_id).history()


def _from_table(found: Plan) -> History:
    """What a study found, by its table: its trials are not here, as of one that is packaged, or there are none."""
    from archdsl.search.history_csv import read_trials

    space, settings = found.space, found.settings
    trials = read_trials(found.folder, found.spec)
    base = trials[0] if trials and trials[0].point == space.named(space.base_point) else None
    total = max(settings.trials, len(trials))
    return History(found.lock.study, found.spec, space.objectives, base, trials, total, settings)


def storage_shown(found: Plan) -> str:
    """The storage of a study as it may be told."""
    return shown(found.settings.storage, found.folder.database)
