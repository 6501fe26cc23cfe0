"""A storage that is asked again while it does not answer, and says what it costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Container, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, get_storage
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from archdsl.search.locking import FileLock
from archdsl.search.problems import of_storage, reason_of, storage_gone

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import StudyDirection
    from optuna.study._frozen import FrozenStudy
    from optuna.trial import FrozenTrial, TrialState

_T = TypeVar("_T")
# how long a storage may be away before the study stops
PATIENCE = 60.0
_FIRST, _LONGEST = 0.1, 3.0


class PatientStorage(BaseStorage):
    """A storage of Optuna's around which each call is repeated for a minute while the storage is away.

    `seconds` is what all calls took. What lasts, such as a full disk or a damaged file, is raised at once as `SpecError`.
    """

    def __init__(
        self,
        inner: BaseStorage | None,
        where: str,
        *,
        guard: FileLock | None = None,
        waiting: Callable[[str], None] = lambda reason: None,
    ) -> None:
        # what Optuna puts around a database keeps the finished trials in memory
        self._inner = get_storage(inner) if inner is not None else None
        self.where, self.waiting = where, waiting
        self.guard: FileLock | nullcontext[None] = guard or nullcontext()
        self.seconds = 0.0
        self.calls = 0
        # whoever was given up is asked once from then on: what is put away at the end must not wait as long again
        self._gone = False

    @property
    def inner(self) -> BaseStorage:
        """The storage itself."""
        assert self._inner is not None
        return self._inner

    @inner.setter
    def inner(self, storage: BaseStorage) -> None:
        self._inner = get_storage(storage)

    def patiently(self, call: Callable[[], _T]) -> _T:
        """What a call returns, which is repeated while the storage is away.

        Raises
        ------
        SpecError: `storage-gone` in the end, or what lasts.
        """
        began = time.perf_counter()
        pause, away = _FIRST, 0.0
        try:
            while True:
                try:
                    found = call()
                    self._gone = False
                    return found
                except (UpdateFinishedTrialError, KeyError):
                    raise
                except (StorageInternalError, SQLAlchemyError, OSError, ValueError) as error:
                    if lasting := of_storage(error, self.where):
                        raise lasting from error
                    if not _may_come_back(error):
                        raise
                    if self._gone or away >= PATIENCE:
                        self._gone = True
                        raise storage_gone(self.where, away, reason_of(error)) from error
                    if not away:
                        self.waiting(f"the storage `{self.where}` does not answer")
                    # workers that lost it together do not come back together
                    time.sleep(pause * random.uniform(0.5, 1.0))
                    away = time.perf_counter() - began
                    pause = min(2 * pause, _LONGEST)
        finally:
            self.seconds += time.perf_counter() - began
            self.calls += 1

    # --- the calls ---

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self.patiently(lambda: self.inner.create_new_study(directions, study_name))

    def delete_study(self, study_id: int) -> None:
        self.patiently(lambda: self.inner.delete_study(study_id))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self.patiently(lambda: self.inner.set_study_user_attr(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.patiently(lambda: self.inner.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        return self.patiently(lambda: self.inner.get_study_id_from_name(study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        return self.patiently(lambda: self.inner.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self.patiently(lambda: self.inner.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self.patiently(lambda: self.inner.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.patiently(lambda: self.inner.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        return self.patiently(lambda: self.inner.get_all_studies())

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        with self.guard:
            return self.patiently(lambda: self.inner.create_new_trial(study_id, template_trial))

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self.patiently(lambda: self.inner.set_trial_param(trial_id, param_name, param_value_internal, distribution))

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self.patiently(lambda: self.inner.get_trial_id_from_study_id_trial_number(study_id, trial_number))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        with self.guard:
            return self.patiently(lambda: self.inner.set_trial_state_values(trial_id, state, values))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self.patiently(lambda: self.inner.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.patiently(lambda: self.inner.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.patiently(lambda: self.inner.set_trial_system_attr(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self.patiently(lambda: self.inner.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self.patiently(lambda: self.inner.get_all_trials(study_id, deepcopy, states))

    def remove_session(self) -> None:
        self.inner.remove_session()

    def close(self) -> None:
        """Give back the connections. A file of SQLite is then whole by itself; the next call opens them again."""
        engine = getattr(getattr(self._inner, "_backend", None), "engine", None)
        if engine is not None:
            engine.dispose()


def _may_come_back(error: BaseException) -> bool:
    """Whether it is the connection that failed, or the file of somebody who writes just now; not what was asked for."""
    if isinstance(error, ValueError):
        return False
    if isinstance(error, OSError):
        return True
    found = error.__cause__ if isinstance(error, StorageInternalError) else error
    kind = type(found).__name__
    return isinstance(found, DBAPIError) and (
        found.connection_invalidated or kind in ("OperationalError", "InterfaceError", "InternalError")
    )
