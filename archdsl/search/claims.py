"""How trials come into a worker's hands and leave them: each index is evaluated once, whoever dies on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archdsl.search.lease import Lease, Watch
from archdsl.search.ledger import INDEX, OUTCOME, REPEATS, RETRIES, WORKER, Ledger

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

# where Optuna keeps the parameters of a trial that waits
_FIXED = "fixed_params"


@dataclass(frozen=True, slots=True)
class Claim:
    """A trial in this worker's hands. `fixed` are the parameters that it was made with, if any; `again` if it repeats one."""

    trial_id: int
    number: int
    index: int
    fixed: Mapping[str, Any] | None
    again: bool = False


class Claims:
    """The trials of a study as one worker takes, finishes and gives them back."""

    def __init__(self, storage: BaseStorage, study_id: int, ledger: Ledger, lease: Lease, names: frozenset[str]) -> None:
        self._storage, self._study_id, self._ledger, self._lease = storage, study_id, ledger, lease
        self._names = names
        self._watch = Watch()
        self.current: Claim | None = None

    # --- in ---

    def take(self, total: int) -> Claim | None:
        """The next trial to work on: one that waits, else a fresh one; None where there is none for now."""
        for frozen in sorted(self._ledger.open.values(), key=lambda found: found.number):
            if frozen.state.name == "WAITING" and (claim := self._waiting(frozen, total)):
                return claim
        if self._ledger.fresh >= total or self._ledger.void:
            return None
        return self._fresh(total)

    def _waiting(self, frozen: FrozenTrial, total: int) -> Claim | None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        trial = frozen._trial_id
        try:
            # said before it runs, so that nobody ever sees it running for nobody
            self._storage.set_trial_user_attr(trial, WORKER, self._lease.worker)
            if not self._storage.set_trial_state_values(trial, TrialState.RUNNING):
                return None
            self._storage.set_trial_user_attr(trial, WORKER, self._lease.worker)
        except UpdateFinishedTrialError:
            return None
        fixed = frozen.system_attrs.get(_FIXED)
        again = REPEATS in frozen.user_attrs
        return self._held(Claim(trial, frozen.number, self._ledger.index(frozen.number), fixed, again), total)

    def _fresh(self, total: int) -> Claim | None:
        trial = self._storage.create_new_trial(self._study_id, _made("RUNNING", {WORKER: self._lease.worker}))
        number = self._storage.get_trial_number_from_id(trial)
        # what others made in the meantime counts
        self._ledger.sync()
        return self._held(Claim(trial, number, self._ledger.index(number), None), total)

    def _held(self, claim: Claim, total: int) -> Claim | None:
        ledger = self._ledger
        doubled = claim.index in ledger.finished or any(
            ledger.index(number) == claim.index for number in ledger.open if number < claim.number
        )
        self.current = claim
        self._lease.hold(claim.trial_id)
        if doubled or claim.index >= total:
            self.drop("surplus")
            return None
        return claim

    # --- out ---

    def finish(self, state: TrialState, values: Sequence[float] | None, attributes: Mapping[str, Any]) -> bool:
        """Write what was found of the current trial; False where it was taken away meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError

        claim = self.current
        assert claim is not None
        try:
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(claim.trial_id, name, value)
            self._storage.set_trial_state_values(claim.trial_id, state, values)
        except UpdateFinishedTrialError:
            # the storage may have done it, and then lost the answer
            return self._storage.get_trial(claim.trial_id).state == state
        finally:
            self._release()
        return True

    def drop(self, why: str) -> None:
        """Put away the current trial, which counts for nothing."""
        from optuna.trial import TrialState

        self.finish(TrialState.FAIL, None, {OUTCOME: why})

    def lose(self) -> None:
        """Let go of the current trial, which was taken away."""
        self._release()

    def give_back(self) -> None:
        """Let another worker have the current trial, as if this one had died."""
        claim = self.current
        self._release()
        if claim is not None:
            self._repeat(self._storage.get_trial(claim.trial_id), claim.index)

    def _release(self) -> None:
        self.current = None
        self._lease.hold(None)

    # --- trials of the dead ---

    def reap(self) -> int:
        """Give back the trials of workers that are no more; how many there were."""
        current = self.current.number if self.current else None
        stale = [
            frozen
            for frozen in self._ledger.open.values()
            if frozen.state.name == "RUNNING" and self._watch.is_stale(frozen, mine=self._lease.worker, current=current)
        ]
        for frozen in stale:
            self._repeat(frozen, self._ledger.index(frozen.number))
        return len(stale)

    def is_unknown(self, frozen: FrozenTrial) -> bool:
        """Whether a trial runs of whose worker nothing was heard since this one looks."""
        return frozen.state.name == "RUNNING" and not self._watch.is_alive(frozen, mine=self._lease.worker)

    def _repeat(self, frozen: FrozenTrial, index: int) -> None:
        """End a trial without an outcome, and make one that repeats it; whoever ends it makes that one."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self._storage.set_trial_state_values(frozen._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return
        self._enqueue(index, frozen)

    def restore(self, total: int) -> int:
        """Make trials for the indices that got lost, as their worker died before another one had them; how many there were."""
        lost = list(self._ledger.missing(total))
        for index in lost:
            self._enqueue(index, next(self._ledger.attempts(index), None))
        return len(lost)

    def retry(self) -> int:
        """Make trials that repeat the failed ones, each under its index; how many there were."""
        failed = [frozen for _, frozen in sorted(self._ledger.finished.items()) if frozen.state.name == "FAIL"]
        for frozen in failed:
            self._enqueue(self._ledger.index(frozen.number), frozen, {RETRIES: frozen.number})
        return len(failed)

    def _enqueue(self, index: int, dead: FrozenTrial | None, noted: Mapping[str, Any] | None = None) -> None:
        system: dict[str, Any] = {}
        repeats = -1
        if dead is not None:
            repeats = dead.number
            fixed = dead.params if dead.params.keys() >= self._names else dead.system_attrs.get(_FIXED)
            if fixed:
                # with what the sampler noted of it, such as its generation
                system = {**dead.system_attrs, _FIXED: dict(fixed)}
        attributes = {INDEX: index, REPEATS: repeats, **(noted or {})}
        self._storage.create_new_trial(self._study_id, _made("WAITING", attributes, system))


def enqueue_first(storage: BaseStorage, study_id: int, params: Mapping[str, Any]) -> None:
    """Make the base wait as the first trial of a study."""
    storage.create_new_trial(study_id, _made("WAITING", {}, {_FIXED: dict(params)}))


def _made(state: str, attributes: Mapping[str, Any], system: Mapping[str, Any] | None = None) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    return create_trial(state=TrialState[state], user_attrs=dict(attributes), system_attrs=dict(system or {}))
