"""Runs of studies: what they evaluate, how they end, and that a resumed one is the one that was never stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

import archdsl
from archdsl import search
from archdsl.ir.decisions import Point, combinations
from archdsl.search import events, lease
from archdsl.search.folder import StudyFolder
from archdsl.search.patient import PatientStorage
from archdsl.search.storage import open_storage
from archdsl.search.study import load_space, plan
from tests.search.studies import FEASIBLE, told, write_study


@pytest.mark.usefixtures("inside")
def test_a_run(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    heard: list[events.Event] = []
    found = search.run(study, trials=6, sampler="random", seed=3, on_event=heard.append)
    space = load_space(StudyFolder(study))
    assert space.space is not None
    assert [trial.index for trial in found.trials] == list(range(6)) == [trial.number for trial in found.trials]
    assert found.base == found.trials[0]
    assert found.trials[0].point == space.space.named(space.space.base_point)
    assert len({trial.hash for trial in found.trials}) == 6
    for trial in found.trials:
        spec = space.arch(space.space.point(trial.point))
        assert (trial.hash, trial.params, trial.flops) == (spec.hash, spec.params, spec.flops)
        assert trial.values == {"params": spec.params, "flops": spec.flops}
        assert spec.params <= 50_000
        assert trial.seconds.keys() == {"build", "confirm", "params", "flops"}
    assert isinstance(heard[0], events.Started)
    assert (heard[0].done, heard[0].total, heard[0].sampler, heard[0].seed) == (0, 6, "random", 3)
    assert [event.trial for event in heard if isinstance(event, events.Finished)] == list(found.trials)
    assert heard[-1] == events.Stopped("complete", 6, 6)
    assert search.history(study).trials == found.trials
    assert {"space.arch", "study.db", "study.lock", "history.csv", "RESULTS.md"} <= {path.name for path in study.iterdir()}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_resume_is_the_run_that_was_never_stopped(sampler: str, tmp_path: Path) -> None:
    whole = search.run(write_study(tmp_path / "whole"), trials=26, sampler=sampler)
    # the sampler is chosen and set by the trials that were wanted first
    study = write_study(tmp_path / "study", settings="trials: 26")
    stopped = Stopping(after=9)
    with pytest.raises(search.Interrupted):
        search.run(study, sampler=sampler, on_event=stopped)
    assert len(search.history(study).trials) < 26
    assert told(search.resume(study)) == told(whole)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_a_worker_may_die_at_any_call_of_the_storage(sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search.run(write_study(tmp_path / "whole"), trials=24, sampler=sampler, seed=1)
    study = write_study(tmp_path / "study", settings="trials: 24\nseed: 1")
    calls = iter(range(41, 10_000, 67))
    begun, died = False, 0
    while True:
        # as if the process were killed: from one call on nothing reaches the storage any more
        left = [next(calls) % 131 + 10]
        with monkeypatch.context() as patch:
            patch.setattr(PatientStorage, "patiently", _dying(PatientStorage.patiently, left))
            try:
                found = search.resume(study) if begun else search.run(study, sampler=sampler)
            except Killed:
                begun, died = True, died + 1
                continue
        break
    assert died >= 4
    assert told(found) == told(whole)
    numbers = [trial.number for trial in found.trials]
    assert numbers == sorted(set(numbers))


@pytest.mark.usefixtures("quick")
def test_a_run_killed_at_its_beginning_goes_on_with_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = set()
    for calls in range(14):
        study = write_study(tmp_path / f"study{calls}")
        with monkeypatch.context() as patch:
            patch.setattr(PatientStorage, "patiently", _dying(PatientStorage.patiently, [calls]))
            with pytest.raises(Killed):
                search.run(study, trials=3, seed=5, sampler="nsga2")
        try:
            found = search.resume(study)
        except archdsl.SpecError as error:
            # nothing of it was kept
            assert error.diagnostics[0].slug == "not-a-study"
            assert not (study / "study.lock").exists()
            continue
        wanted.add((len(found.trials), found.settings.seed, found.settings.sampler))
    assert wanted == {(3, 5, "nsga2")}


@pytest.mark.usefixtures("quick")
def test_what_was_chosen_at_the_beginning_stays(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", settings="trials: 7\nsampler: tpe\ndevice: cpu\ntime_limit: 5\n")
    search.run(study, trials=2, sampler="random", seed=9, device="cpu:0", time_limit=60)
    kept = plan(StudyFolder(study)).settings
    assert (kept.trials, kept.sampler, kept.seed, kept.device, kept.time_limit) == (2, "random", 9, "cpu:0", 60)
    assert search.resume(study, device="cpu").settings.device == "cpu"
    assert plan(StudyFolder(study)).settings.device == "cpu:0"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("storage", ["j.journal", "journal:deep/j", "sqlite:///x.db"])
@pytest.mark.parametrize("written", [True, False])
def test_a_storage_is_found_from_everywhere(
    storage: str, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tmp_path / "study", settings=f"storage: {storage!r}" if written else "")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path)
    search.run("study", trials=3, storage=None if written else storage)
    monkeypatch.chdir(tmp_path / "else")
    assert [trial.index for trial in search.history(study).trials] == [0, 1, 2]
    assert [trial.index for trial in search.resume(study, trials=4).trials] == [0, 1, 2, 3]
    assert not list((tmp_path / "else").iterdir())
    assert not (study / "study.db").exists()
    if not written:
        return
    # what lies in the folder moves with it
    moved = study.rename(tmp_path / "moved")
    assert len(search.resume(moved, trials=5).trials) == 5


@pytest.mark.usefixtures("quick")
def test_a_storage_that_is_not_there_is_no_new_one(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    search.run(study, trials=2)
    (study / "study.db").unlink()
    for call in (search.resume, search.worker):
        with pytest.raises(archdsl.SpecError) as caught:
            call(study)
        assert caught.value.diagnostics[0].slug == "not-a-study"
    assert not (study / "study.db").exists()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("sampler", ["random", "nsga2"])
def test_after_a_power_cut_the_trial_that_was_running_comes_first(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search.run(write_study(tmp_path / "whole"), trials=26, sampler=sampler)
    study = write_study(tmp_path / "study")
    with monkeypatch.context() as patch:
        patch.setattr(PatientStorage, "patiently", _dying(PatientStorage.patiently, [300]))
        with pytest.raises(Killed):
            search.run(study, trials=26, sampler=sampler)
    machine = lease._machine()
    # it is not known whether another machine, or this one before it was started again, is at it
    monkeypatch.setattr(lease, "_machine", lambda: f"{machine}-started-again")
    monkeypatch.setattr(lease, "GRACE_SECONDS", 1.0)
    heard: list[events.Event] = []
    assert told(search.resume(study, on_event=heard.append)) == told(whole)
    indices = [event.trial.index for event in heard if isinstance(event, events.Finished)]
    assert indices == sorted(indices)
    assert any(isinstance(event, events.Waiting) and "power cut" in event.reason for event in heard)


@pytest.mark.usefixtures("quick")
def test_what_a_dead_worker_left_comes_next(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    order: list[int] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Finished):
            order.append(event.trial.index)
            if len(order) == 4:
                dead = optuna.trial.create_trial(
                    state=optuna.trial.TrialState.RUNNING, user_attrs={"worker": f"{lease._machine()}/1-999999999/1"}
                )
                storage, study_id = _opened(study)
                storage.create_new_trial(study_id, dead)

    search.run(study, trials=12, sampler="random", on_event=listen)
    # index 4 was in the hands of the dead, which is seen with the next look at the storage
    assert order == [0, 1, 2, 3, 5, 4, *range(6, 12)]


@pytest.mark.usefixtures("inside")
def test_a_trial_that_is_taken_away_while_it_runs(trouble: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings="objectives: {trouble: {steps: 2}}")
    heard: list[events.Event] = []

    def listen(event: events.Event) -> None:
        heard.append(event)
        if isinstance(event, events.Running) and event.index == 3 and not any(map(_is_loss, heard)):
            # as another worker does that has not heard of this one for long
            storage, study_id = _opened(study)
            [running] = [found for found in storage.get_all_trials(study_id) if found.state.name == "RUNNING"]
            storage.set_trial_state_values(running._trial_id, optuna.trial.TrialState.FAIL)

    found = search.run(study, trials=6, sampler="random", on_event=listen)
    assert sum(map(_is_loss, heard)) == 1
    assert [(trial.index, trial.state) for trial in found.trials] == [(index, "done") for index in range(6)]


@pytest.mark.usefixtures("quick")
def test_a_trial_that_is_taken_away_while_it_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search.run(write_study(tmp_path / "whole"), trials=8, sampler="nsga2")
    real, calls = PatientStorage.set_trial_param, iter(range(1000))

    def taken(self: PatientStorage, trial: int, *given: Any) -> None:
        if next(calls) == 22:
            self.inner.set_trial_state_values(trial, optuna.trial.TrialState.FAIL)
        real(self, trial, *given)

    monkeypatch.setattr(PatientStorage, "set_trial_param", taken)
    heard: list[events.Event] = []
    found = search.run(write_study(tmp_path / "study"), trials=8, sampler="nsga2", on_event=heard.append)
    assert sum(map(_is_loss, heard)) == 1
    assert told(found) == told(whole)


def _is_loss(event: events.Event) -> bool:
    return isinstance(event, events.Waiting) and "was given to another worker" in event.reason


def _opened(study: Path) -> tuple[PatientStorage, int]:
    storage = open_storage(None, study / "study.db")
    return storage, storage.get_study_id_from_name(plan(StudyFolder(study)).lock.study)


@pytest.mark.usefixtures("quick")
def test_equal_specs_are_evaluated_once_until_none_is_left(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", budget="20K")
    heard: list[events.Event] = []
    found = search.run(study, trials=100, sampler="tpe", on_event=heard.append)
    space = load_space(StudyFolder(study))
    fitting = {space.arch(point).hash for point in _all_points(space) if space.keeps_budgets(point)}
    assert {trial.hash for trial in found.trials} == fitting
    assert len(found.trials) == len(fitting) < FEASIBLE
    text = f"every feasible spec has been seen: there are {len(fitting)}"
    assert heard[-1] == events.Stopped("exhausted", len(fitting), 100, text)
    assert told(search.resume(study, trials=200)) == told(found)


@pytest.mark.usefixtures("quick")
def test_a_base_over_the_budget_is_not_evaluated(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", budget="13K")
    heard: list[events.Event] = []
    found = search.run(study, trials=3, sampler="random", on_event=heard.append)
    assert found.base is None
    assert [trial.index for trial in found.trials] == [0, 1, 2]
    assert all(trial.params <= 13_000 for trial in found.trials)
    assert isinstance(heard[0], events.Started)
    assert heard[0].notes == ("the base is over a budget, and is not evaluated",)


@pytest.mark.usefixtures("quick")
def test_a_trial_that_somebody_enqueued(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    search.run(study, trials=1)
    lock = plan(StudyFolder(study)).lock
    other = optuna.load_study(study_name=lock.study, storage=f"sqlite:///{study}/study.db")
    wanted = {"s1.depth": 3, "s1.token.heads": "1", "s2.depth": 1, "s2.token.heads": "4", "s2.channel.ratio": "1"}
    other.enqueue_trial(wanted)
    other.enqueue_trial({**wanted, "s2.depth": 4, "s2.channel.ratio": "3"})
    other.enqueue_trial({**wanted, "s1.depth": 77})
    found = search.resume(study, trials=4)
    assert [trial.state for trial in found.trials] == ["done", "done", "failed", "failed"]
    assert found.trials[1].point["s1.depth"] == "3"
    assert found.trials[2].error == "it is over a budget"
    assert "it is no point of the space" in (found.trials[3].error or "")


@pytest.mark.usefixtures("inside")
def test_pruning_of_one_objective(trouble: Path, tmp_path: Path) -> None:
    settings = "objectives: {trouble: {steps: 2}}"
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=settings)
    found = search.run(study, trials=20, sampler="random")
    states = [trial.state for trial in found.trials]
    assert states[:5] == ["done"] * 5
    assert "pruned" in states
    best = max(trial.values["trouble"] for trial in found.done)
    assert all(trial.values == {} for trial in found.trials if trial.state == "pruned")
    objectives = "maximize trouble\n  minimize flops"
    whole = write_study(tmp_path / "whole", objectives=objectives, settings=settings)
    both = search.run(whole, trials=20, sampler="random")
    assert {trial.state for trial in both.trials} == {"done"}
    assert max(trial.values["trouble"] for trial in both.trials) == best


@pytest.mark.usefixtures("quick")
def test_more_trials_later(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    search.run(study, trials=3)
    assert [trial.index for trial in search.resume(study, trials=5).trials] == [0, 1, 2, 3, 4]
    assert search.history(study).total == 5
    with pytest.raises(ValueError, match="`trials` is 4, and 5 are done"):
        search.resume(study, trials=4)
    assert search.history(study).total == 5
    assert len(search.resume(study, trials=5).trials) == 5


class Stopping:
    """Interrupts a run after some trials."""

    def __init__(self, after: int) -> None:
        self._after = after

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Finished) and event.trial.index == self._after:
            os.kill(os.getpid(), signal.SIGINT)


class Killed(BaseException):
    """A process is no more."""


def _dying(call: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    """The call of a storage that fails for ever after so many times."""

    def patiently(self: PatientStorage, asked: Callable[[], Any]) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return call(self, asked)

    return patiently


def _all_points(space: archdsl.Spec) -> list[Point]:
    return list(combinations(space.decisions, {}))
