"""Which trial is which, and into whose hands it comes: indices, leases, trials of the dead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from archdsl.search import lease as leases
from archdsl.search.claims import Claims, enqueue_first
from archdsl.search.lease import Lease, Watch, is_dead
from archdsl.search.ledger import EXHAUSTED, HASH, OUTCOME, WORKER, Ledger
from archdsl.search.patient import PatientStorage
from archdsl.search.storage import open_storage


@pytest.fixture
def storage(tmp_path: Path) -> PatientStorage:
    found = open_storage(None, tmp_path / "study.db")
    assert found.create_new_study([StudyDirection.MAXIMIZE], "s") == 1
    return found


@pytest.fixture
def worker(storage: PatientStorage) -> Iterator[Callable[[], Claims]]:
    """Makes workers on the study, with their own view of it."""
    with ExitStack() as stack:

        def made() -> Claims:
            lease = stack.enter_context(Lease(storage.inner))
            return Claims(storage, 1, Ledger(storage, 1), lease, frozenset({"x"}))

        yield made


def _trials(storage: PatientStorage) -> list[optuna.trial.FrozenTrial]:
    return storage.get_all_trials(1)


def _done(claims: Claims, value: float = 1.0) -> None:
    assert claims.finish(TrialState.COMPLETE, [value], {OUTCOME: "done"})


def _take(claims: Claims, total: int = 10) -> int:
    claims._ledger.sync()
    claim = claims.take(total)
    assert claim is not None
    return claim.index


def test_indices_count_what_repeats_nothing(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one, two = worker(), worker()
    assert [_take(one), _take(two)] == [0, 1]
    _done(one)
    two.give_back()
    # index 1 waits again, as number 2, and comes first
    assert _take(one) == 1
    assert _take(two) == 2
    _done(one)
    _done(two)
    assert _take(one) == 3
    ledger = Ledger(storage, 1)
    assert ledger.sync() == [0, 1, 2]
    assert [ledger.index(frozen.number) for frozen in _trials(storage)] == [0, 1, 1, 2, 3]
    assert ledger.sync() == []


def test_parameters_go_with_a_trial_that_is_given_back(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one = worker()
    distribution = optuna.distributions.IntDistribution(0, 9)
    _take(one)
    assert one.current is not None
    storage.set_trial_param(one.current.trial_id, "x", 7, distribution)
    storage.set_trial_system_attr(one.current.trial_id, "Sampler:generation", 2)
    one.give_back()
    one._ledger.sync()
    claim = one.take(10)
    assert claim is not None
    assert (claim.index, claim.fixed) == (0, {"x": 7})
    assert storage.get_trial(claim.trial_id).system_attrs["Sampler:generation"] == 2
    # one that dies before it has all its parameters is proposed anew
    _done(one)
    _take(one)
    one.give_back()
    one._ledger.sync()
    assert (claim := one.take(10)) is not None
    assert (claim.index, claim.fixed) == (1, None)


def test_the_dead_are_repeated_once_whoever_notices(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one, two, three = worker(), worker(), worker()
    _take(one)
    leases._LIVE.discard(one._lease.worker)
    for other in (two, three):
        other._ledger.sync()
    assert (two.reap(), three.reap()) == (1, 1)
    assert [frozen.state.name for frozen in _trials(storage)] == ["FAIL", "WAITING"]
    # what the dead one says later is not heard
    assert not one.finish(TrialState.COMPLETE, [1.0], {OUTCOME: "done"})
    assert _take(two) == 0
    _done(two, 2.0)
    assert list(two._ledger.missing(10)) == []


def test_lost_indices_are_restored_and_doubles_dropped(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one, two = worker(), worker()
    _take(one)
    assert one.current is not None
    # it died after its trial was ended, before another one was made
    storage.set_trial_state_values(one.current.trial_id, TrialState.FAIL)
    one._release()
    for each in (one, two):
        each._ledger.sync()
    assert (one.restore(10), two.restore(10)) == (1, 1)
    assert _take(two) == 0
    one._ledger.sync()
    # the second one for index 0 is put away, and a fresh one comes
    assert _take(one) == 1
    assert [frozen.user_attrs.get(OUTCOME) for frozen in _trials(storage)] == [None, None, "surplus", None]


def test_no_more_than_wanted(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one, two = worker(), worker()
    two._ledger.sync()
    assert _take(one, total=1) == 0
    # a worker that does not know it yet
    assert two.take(1) is None
    assert [frozen.state.name for frozen in _trials(storage)] == ["RUNNING", "FAIL"]
    assert two.take(1) is None
    _done(one)
    # more are wanted now: the place of the surplus one is filled
    one._ledger.sync()
    assert list(one._ledger.missing(2)) == [1]
    one.restore(2)
    assert _take(one, total=2) == 1


def test_an_index_without_a_spec_ends_the_fresh_ones(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one = worker()
    _take(one)
    one.drop(EXHAUSTED)
    one._ledger.sync()
    assert one._ledger.void == {0}
    assert one.take(10) is None
    assert list(one._ledger.missing(10)) == []


def test_what_waits_comes_first(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    enqueue_first(storage, 1, {"x": 3})
    one = worker()
    one._ledger.sync()
    claim = one.take(10)
    assert claim is not None
    assert (claim.index, claim.fixed) == (0, {"x": 3})


def test_specs_that_run_are_known(storage: PatientStorage, worker: Callable[[], Claims]) -> None:
    one, two = worker(), worker()
    _take(one)
    _take(two)
    assert one.current is not None
    assert two.current is not None
    for claims in (one, two):
        assert claims.current is not None
        storage.set_trial_user_attr(claims.current.trial_id, HASH, "abc")
    ledger = Ledger(storage, 1)
    ledger.sync()
    assert [other.number for other in ledger.others_with("abc", 0)] == [1]
    assert [other.number for other in ledger.others_with("abc", 1)] == [0]
    assert ledger.others_with("abd", 1) == []


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_many_threads_share_a_study(kind: str, tmp_path: Path) -> None:
    where = None if kind == "sqlite" else str(tmp_path / "study.journal")
    open_storage(where, tmp_path / "study.db").create_new_study([StudyDirection.MAXIMIZE], "s")
    total, workers = 24, 4
    found: list[int] = []

    def work(number: int) -> None:
        mine = open_storage(where, tmp_path / "study.db")
        with Lease(mine.inner) as lease:
            claims = Claims(
                mine, mine.get_study_id_from_name("s"), Ledger(mine, mine.get_study_id_from_name("s")), lease, frozenset()
            )
            for turn in range(1000):
                claims._ledger.sync()
                claim = claims.take(total)
                if claim is None:
                    if claims._ledger.done(total) == total:
                        return
                    continue
                if (turn + number) % 5 == 0:
                    claims.give_back()
                    continue
                assert claims.finish(TrialState.COMPLETE, [1.0], {OUTCOME: "done"})
                found.append(claim.index)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(total))


def test_who_is_dead(storage: PatientStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lease(storage.inner) as lease:
        assert not is_dead(lease.worker)
        machine, process, count = lease.worker.split("/")
        pid, born = process.split("-")
    assert is_dead(lease.worker)
    # the number of a process is given out again
    assert is_dead(f"{machine}/1-{int(born or 0) + 1}/{count}") or not born
    assert not is_dead(f"elsewhere/{pid}-{born}/{count}")
    assert not is_dead("")


def test_a_beat_that_stands_still(storage: PatientStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock[0])
    trial = storage.create_new_trial(
        1, optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={WORKER: "elsewhere/1-1/1"})
    )
    watch = Watch()

    def stale(after: float) -> bool:
        clock[0] += after
        return watch.is_stale(storage.get_trial(trial), mine="me", current=None)

    assert not stale(0)
    assert not stale(leases.GRACE_SECONDS - 1)
    storage.set_trial_user_attr(trial, leases.BEAT, 5.0)
    assert not stale(2)
    assert not stale(leases.GRACE_SECONDS - 1)
    assert stale(2)


def test_the_beat(storage: PatientStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.01)
    trial = storage.create_new_trial(1)
    with Lease(storage.inner) as lease:
        lease.hold(trial)
        seen = threading.Event()
        for _ in range(500):
            if leases.BEAT in storage.get_trial(trial).user_attrs:
                seen.set()
                break
            threading.Event().wait(0.01)
    assert seen.is_set()
