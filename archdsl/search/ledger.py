"""Which trial of the storage is which of the study: read once, and kept up with what changes.

The storage counts its trials by number. The study counts by index: a trial has as index how many trials with a smaller number
repeat none, and one that repeats another (`repeats` is set when it is made) has the index it was made for. So an index never
depends on who asks, or when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

# user attributes of a trial
INDEX, REPEATS, WORKER, BEAT, OUTCOME = "index", "repeats", "worker", "beat", "outcome"
# of one that repeats a failed trial, whose outcome counts no more: the number of that one
RETRIES = "retries"
# of one that lets an earlier one with its spec go first
YIELDS = "yields"
HASH, COUNTS, SECONDS, ERROR, SAME_AS = "hash", "counts", "seconds", "error", "same_as"

# the outcome of a trial for which no spec was left
EXHAUSTED = "exhausted"

Outcome = Literal["done", "pruned", "failed"]


def outcome(frozen: FrozenTrial) -> Outcome | None:
    """How a trial ended; None where it goes on, its worker died, or it was one too many."""
    state = frozen.state.name
    if state == "COMPLETE":
        return "done"
    if state == "PRUNED":
        return "pruned"
    return "failed" if state == "FAIL" and frozen.user_attrs.get(OUTCOME) == "failed" else None


class Ledger:
    """The trials of a study by index, and by hash of their spec.

    `finished` has the one trial of each index that ended, `open` those that wait or run by number, `by_hash` the index of the
    first trial of each spec. Each `sync` costs what changed since the last.
    """

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self.finished: dict[int, FrozenTrial] = {}
        self.open: dict[int, FrozenTrial] = {}
        self.by_hash: dict[str, int] = {}
        self.points: set[tuple[object, ...]] = set()
        # indices for which no spec was left
        self.void: set[int] = set()
        self._index: list[int] = []
        self._fresh = 0
        # numbers of failed trials that are tried again
        self._retried: set[int] = set()
        # all trials before this one have ended and are known
        self._settled = 0
        self._ended: set[int] = set()

    def sync(self) -> list[int]:
        """Read what is new, and return the indices of the trials that have ended since, the first to end first."""
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        for frozen in trials[len(self._index) :]:
            again = REPEATS in frozen.user_attrs
            self._index.append(int(frozen.user_attrs[INDEX]) if again else self._fresh)
            self._fresh += not again
            if RETRIES in frozen.user_attrs:
                self._forget(int(frozen.user_attrs[RETRIES]))
        ended: list[FrozenTrial] = []
        self.open = {}
        for frozen in trials[self._settled :]:
            if not frozen.state.is_finished():
                self.open[frozen.number] = frozen
            elif frozen.number not in self._ended:
                self._ended.add(frozen.number)
                ended.append(frozen)
        while self._settled < len(trials) and self._settled in self._ended:
            self._ended.discard(self._settled)
            self._settled += 1
        return [index for frozen in sorted(ended, key=_finished_at) if (index := self._take(frozen)) is not None]

    def _take(self, frozen: FrozenTrial) -> int | None:
        index = self._index[frozen.number]
        if frozen.user_attrs.get(OUTCOME) == EXHAUSTED:
            self.void.add(index)
        if outcome(frozen) is None or index in self.finished or frozen.number in self._retried:
            return None
        self.finished[index] = frozen
        if (hash := frozen.user_attrs.get(HASH)) and SAME_AS not in frozen.user_attrs:
            self.by_hash.setdefault(hash, index)
        self.points.add(key_of(frozen.params))
        return index

    def _forget(self, number: int) -> None:
        """What came of a failed trial counts no more: it is tried again."""
        self._retried.add(number)
        index = self._index[number]
        if index in self.finished and self.finished[index].number == number:
            frozen = self.finished.pop(index)
            hash = frozen.user_attrs.get(HASH, "")
            if self.by_hash.get(hash) == index:
                del self.by_hash[hash]

    def index(self, number: int) -> int:
        """The index of a trial that was read."""
        return self._index[number]

    @property
    def fresh(self) -> int:
        """The index that the next trial will have that repeats none."""
        return self._fresh

    def missing(self, total: int) -> Iterator[int]:
        """The indices that were given out, have not ended, and that no trial is open for."""
        waiting = {self._index[number] for number in self.open}
        known = waiting | self.void
        return (index for index in range(min(total, self._fresh)) if index not in self.finished and index not in known)

    def attempts(self, index: int) -> Iterator[FrozenTrial]:
        """The trials that were made for an index, the newest first."""
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return (frozen for frozen in reversed(trials[: len(self._index)]) if self._index[frozen.number] == index)

    def done(self, total: int) -> int:
        """How many of the trials wanted have ended."""
        return sum(index < total for index in self.finished) if len(self.finished) > total else len(self.finished)

    def others_with(self, hash: str, number: int) -> list[FrozenTrial]:
        """The trials that run and have this spec, but for the one with a number."""
        return [frozen for frozen in self.open.values() if frozen.user_attrs.get(HASH) == hash and frozen.number != number]


def key_of(params: dict[str, object]) -> tuple[object, ...]:
    """Parameters as a key."""
    return tuple(params[name] for name in sorted(params))


def _finished_at(frozen: FrozenTrial) -> tuple[float, int]:
    ended = frozen.datetime_complete
    return (ended.timestamp() if ended else 0.0, frozen.number)
