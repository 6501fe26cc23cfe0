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
from archdsl.search import events
from archdsl.search.folder import StudyFolder
from archdsl.search.patient import PatientStorage
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
    # fewer than there are are enough
    assert len(search.resume(study, trials=2).trials) == 5


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
