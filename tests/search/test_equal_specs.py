"""Workers that draw the same spec at the same moment: one of them evaluates it."""

from __future__ import annotations

import threading
import time
from random import Random
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from archdsl.search import trial_loop
from archdsl.search.claims import Claim
from archdsl.search.ledger import HASH, OUTCOME, YIELDS, Ledger
from archdsl.search.trial_loop import TrialLoop


class Looped:
    """What a worker does about a spec, without all that is around it."""

    def __init__(self, storage: InMemoryStorage, hash: str) -> None:
        self._storage, self._ledger = storage, Ledger(storage, 0)
        self.trial = storage.create_new_trial(0, optuna.trial.create_trial(state=TrialState.RUNNING))
        number = storage.get_trial_number_from_id(self.trial)
        self._ledger.sync()
        self._claim = Claim(self.trial, number, self._ledger.index(number), None)
        self._proposal: Any = SimpleNamespace(hash=hash)
        self._claims: Any = SimpleNamespace(reap=lambda: 0)
        self.looked = 0

    def _news(self) -> None:
        self._ledger.sync()

    def _look(self) -> None:
        self.looked += 1

    def _write(self, claim: Claim, name: str, value: object) -> None:
        self._storage.set_trial_user_attr(claim.trial_id, name, value)

    def propose(self) -> None:
        self._write(self._claim, HASH, self._proposal.hash)

    def same(self) -> int | None:
        return TrialLoop._same(self, self._claims, self._claim, self._proposal)  # type: ignore[arg-type]

    def finish(self) -> None:
        self._write(self._claim, OUTCOME, "done")
        self._storage.set_trial_state_values(self.trial, TrialState.COMPLETE, [1.0])


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> InMemoryStorage:
    monkeypatch.setattr(trial_loop, "_LOOK_SECONDS", 0.001)
    found = InMemoryStorage()
    found.create_new_study([StudyDirection.MAXIMIZE], "s")
    return found


def test_the_later_trial_may_be_the_first_to_know_its_spec(storage: InMemoryStorage) -> None:
    slow, fast = Looped(storage, "a"), Looped(storage, "a")
    fast.propose()
    assert fast.same() is None
    # it is evaluated by now
    slow.propose()
    waiting = threading.Thread(target=lambda: found.append(slow.same()))
    found: list[int | None] = []
    waiting.start()
    time.sleep(0.02)
    assert waiting.is_alive()
    fast.finish()
    waiting.join(timeout=10)
    assert found == [1]
    assert YIELDS not in storage.get_trial(slow.trial).user_attrs


def test_one_that_yielded_goes_on_when_the_other_is_gone(storage: InMemoryStorage) -> None:
    one, two = Looped(storage, "a"), Looped(storage, "a")
    one.propose()
    two.propose()
    found: list[int | None] = []
    waiting = threading.Thread(target=lambda: found.append(two.same()))
    waiting.start()
    # the later one yields, and the earlier one goes
    assert one.same() is None
    assert storage.get_trial(two.trial).user_attrs[YIELDS] is True
    storage.set_trial_state_values(one.trial, TrialState.FAIL)
    waiting.join(timeout=10)
    assert found == [None]
    assert storage.get_trial(two.trial).user_attrs[YIELDS] is False


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_at_any_moment_one_evaluates(workers: int, storage: InMemoryStorage) -> None:
    random = Random(workers)
    for turn in range(40):
        loops = [Looped(storage, f"spec {turn}") for _ in range(workers)]
        evaluated: list[int] = []

        def work(loop: Looped, before: float, between: float, evaluated: list[int] = evaluated) -> None:
            time.sleep(before)
            loop.propose()
            time.sleep(between)
            if loop.same() is None:
                evaluated.append(loop.trial)
                time.sleep(0.004)
                loop.finish()

        pauses = [(0.002 * random.random(), 0.002 * random.random()) for _ in loops]
        threads = [threading.Thread(target=work, args=(loop, *pause)) for loop, pause in zip(loops, pauses, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert len(evaluated) == 1
        for loop in loops:
            if loop.trial not in evaluated:
                loop.finish()
