"""Going on with a study: what stays of its beginning, what is told, and trials that failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl import search
from archdsl.cli.main import main
from archdsl.search import events, replay, running
from archdsl.search import study as studies
from archdsl.search.folder import StudyFolder
from archdsl.search.job import order, share_of_threads, threads_of
from archdsl.search.ledger import Ledger
from archdsl.search.lock import Lock
from archdsl.search.results import again
from archdsl.search.settings import OutOfBounds
from archdsl.search.storage import open_storage
from archdsl.search.study import plan
from tests.search.studies import Quick, told, write_study

Captured = pytest.CaptureFixture[str]


def _notes(heard: list[events.Event]) -> tuple[str, ...]:
    [started] = [event for event in heard if isinstance(event, events.Started)]
    return started.notes


# --- settings ---


@pytest.mark.usefixtures("quick")
def test_settings_that_are_not_taken_are_told(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", settings="trials: 2\nseed: 1\n")
    search.run(study, sampler="tpe")
    settings = "trials: 4\nsampler: auto\nseed: 2\ntime_limit: 5\nstorage: x.journal\ndevice: cpu\n"
    (study / "study.yaml").write_text(settings)
    heard: list[events.Event] = []
    found = search.resume(study, on_event=heard.append)
    assert (found.total, found.settings.seed, found.settings.time_limit) == (2, 1, None)
    rest = ", which is not taken: the study goes on with "
    assert _notes(heard) == (
        f"study.yaml has `trials: 4`{rest}2",
        f"study.yaml has `seed: 2`{rest}1",
        f"study.yaml has `time_limit: 5`{rest}none",
        f"study.yaml has `storage: {study.as_posix()}/x.journal`{rest}{study.as_posix()}/study.db",
    )
    heard = []
    search.resume(study, trials=4, time_limit=6, on_event=heard.append)
    assert [note.split("`")[1].partition(":")[0] for note in _notes(heard)] == ["seed", "storage"]
    # the total is what was asked for by now
    heard = []
    search.resume(study, on_event=heard.append)
    assert not any("trials" in note for note in _notes(heard))


@pytest.mark.usefixtures("quick")
def test_time_limits_of_the_command_line(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []

    class Limited(Quick):
        def __init__(self, order: dict[str, Any], time_limit: float | None, **rest: Any) -> None:
            limits.append(time_limit)
            super().__init__(order, time_limit, **rest)

    monkeypatch.setattr("archdsl.search.trial_loop.Evaluator", Limited)
    study = str(write_study(tmp_path / "study", settings="time_limit: 9"))
    for words in (["run", "--time-limit", "7.5"], ["resume"], ["resume", "--time-limit", "600"]):
        assert main(["search", words[0], study, *words[1:], *(["--trials", "2"] if words[0] == "run" else [])]) == 0
    assert limits == [7.5, 7.5, 600]
    capsys.readouterr()
    wrongs = {"soon": "`--time-limit soon` is no number", "0": "is a number of seconds above 0", "nan": "seconds above 0"}
    for wrong, said in wrongs.items():
        assert main(["search", "resume", study, "--time-limit", wrong]) == 2
        assert said in capsys.readouterr().err
    assert main(["search", "resume", study, "--trials", "1"]) == 2
    assert "`trials` is 1, and 2 are done" in capsys.readouterr().err


def test_what_goes_wrong_inside_is_no_wrong_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any, **more: Any) -> None:
        raise ValueError("inside")

    monkeypatch.setattr(running, "_worked", broken)
    study = write_study(tmp_path / "study")
    with pytest.raises(ValueError, match="inside"):
        search.run(study, trials=2)
    with pytest.raises(OutOfBounds):
        search.run(study, trials=0)


# --- the lock ---


@pytest.mark.parametrize(("old", "new"), [("sampler: tpe", "sampler: best"), ("sampler: tpe", "sampler: auto")])
def test_a_lock_with_another_sampler(old: str, new: str, tmp_path: Path) -> None:
    folder = StudyFolder(write_study(tmp_path / "study"))
    plan(folder).lock.write(folder)
    folder.lock.write_text(folder.lock.read_text().replace(old, new))
    with pytest.raises(archdsl.SpecError, match="no right `sampler`"):
        Lock.read(folder)


def test_threads_stay_those_of_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    folder = StudyFolder(write_study(tmp_path / "study"))
    begun = plan(folder, lambda found: found.changed(workers=2), anew=True)
    assert begun.lock.threads == threads_of(begun) == 4
    begun.lock.write(folder)
    for workers in (1, 4):
        assert threads_of(plan(folder, lambda found, workers=workers: found.changed(workers=workers))) == 4  # type: ignore[misc]
    # one of an earlier version goes on as it did
    replace(begun.lock, threads=None).write(folder)
    assert threads_of(plan(folder)) == 0
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert share_of_threads(plan(folder).settings) == 3
    folder.lock.write_text("\n".join(line for line in folder.lock.read_text().splitlines() if "threads" not in line))
    assert plan(folder).lock.threads is None


@pytest.mark.usefixtures("quick")
def test_a_replay_has_the_threads_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    folder = StudyFolder(write_study(tmp_path / "study"))
    search.run(folder, trials=1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen: list[int] = []

    class Seen(Quick):
        def __init__(self, order: dict[str, Any], time_limit: float | None) -> None:
            seen.append(order["threads"])
            super().__init__(order, time_limit, idle=lambda: None)

        def evaluate(self, job: Any, step: Any = None) -> dict[str, Any]:
            return super().evaluate(job, step)

    monkeypatch.setattr(replay, "Evaluator", Seen)
    assert replay.replay(folder, 0).agrees
    assert seen == [3]
    found = plan(folder)
    assert order(found, pruning=False, threads=threads_of(found))["threads"] == 3


# --- failures ---


@pytest.mark.usefixtures("inside")
def test_a_study_that_stops_leaves_what_it_found(trouble: Path, tmp_path: Path) -> None:
    settings = "objectives: {trouble: {mode: raise, every: 3}}"
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=settings)
    with pytest.raises(archdsl.SpecError) as caught:
        search.run(study, trials=40, sampler="random", failures=2)
    assert caught.value.diagnostics[0].slug == "failing-trials"
    trials = search.history(study).trials
    assert {trial.state for trial in trials} == {"done", "failed"}
    assert len((study / "history.csv").read_text().splitlines()) == len(trials) + 1
    assert (study / "RESULTS.md").is_file()


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_written_at_the_end_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError("full")

    def stopped(study: Any, *given: Any, **more: Any) -> None:
        raise RuntimeError("the first")

    monkeypatch.setattr(running, "conclude", full)
    monkeypatch.setattr(running, "_worked", stopped)
    with pytest.raises(RuntimeError, match="the first"):
        search.run(write_study(tmp_path / "study"), trials=2)


class Failing(Quick):
    """Fails the specs that are to fail, by the order in which they come."""

    left: frozenset[int] = frozenset()
    seen = 0

    def evaluate(self, job: Any, step: Any) -> dict[str, Any]:
        found = super().evaluate(job, step)
        at, Failing.seen = Failing.seen, Failing.seen + 1
        return {**found, "state": "failed", "values": [], "error": "too slow"} if at in self.left else found


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("sampler", ["random", "nsga2"])
def test_failed_trials_are_tried_again_under_their_index(sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.search.trial_loop.Evaluator", Failing)
    monkeypatch.setattr(Failing, "left", frozenset({0, 3, 4}))
    monkeypatch.setattr(Failing, "seen", 0)
    study = write_study(tmp_path / "study")
    first = search.run(study, trials=14, sampler=sampler)
    assert [trial.index for trial in first.trials if trial.state == "failed"] == [0, 3, 4]
    assert told(search.resume(study)) == told(first)
    monkeypatch.setattr(Failing, "left", frozenset({15}))
    again = search.resume(study, retry_failed=True)
    assert Failing.seen == 17
    assert [trial.index for trial in again.trials] == list(range(14))
    assert [trial.index for trial in again.trials if trial.state == "failed"] == [3]
    assert [trial.hash for trial in again.trials] == [trial.hash for trial in first.trials]
    assert again.base is not None
    assert again.base.state == "done"
    # once more, with further trials
    more = search.resume(study, trials=16, retry_failed=True)
    assert [trial.state for trial in more.trials] == ["done"] * 16
    assert len({trial.hash for trial in more.trials}) == 16
    # a fresh look at the storage finds the same
    assert told(search.history(study)) == told(more)
    assert Failing.seen == 20


@pytest.mark.usefixtures("quick")
def test_two_who_retry_at_once_double_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.search.trial_loop.Evaluator", Failing)
    monkeypatch.setattr(Failing, "left", frozenset({0, 1}))
    monkeypatch.setattr(Failing, "seen", 0)
    study = write_study(tmp_path / "study")
    search.run(study, trials=3)
    real = studies.retry

    def twice(opened: Any) -> int:
        # somebody else with a view of his own does the same
        other = Ledger(opened.storage, opened.study_id)
        opened.ledger, mine = other, opened.ledger
        real(opened)
        opened.ledger = mine
        return real(opened)

    monkeypatch.setattr("archdsl.search.running.retry", twice)
    found = search.resume(study, retry_failed=True)
    assert Failing.seen == 5
    assert [(trial.index, trial.state) for trial in found.trials] == [(0, "done"), (1, "done"), (2, "done")]
    storage = open_storage(None, study / "study.db")
    states = [frozen.state.name for frozen in storage.get_all_trials(storage.get_study_id_from_name(found.study))]
    assert states.count("COMPLETE") == 3


@pytest.mark.usefixtures("inside")
def test_retrying_by_the_command_line(trouble: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.search import evaluate

    settings = "objectives: {trouble: {steps: 0}}"
    study = str(write_study(tmp_path / "study", objectives="maximize trouble", settings=settings))

    def none(*given: Any, **more: Any) -> evaluate.Evaluation:
        return evaluate.Evaluation("failed", [], {}, "no data")

    with monkeypatch.context() as patch:
        patch.setattr("tests.search.studies.evaluate", none)
        assert main(["search", "run", study, "--trials", "2"]) == 1
    assert main(["search", "resume", study]) == 1
    capsys.readouterr()
    assert main(["search", "resume", study, "--retry-failed"]) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("tiny: 2 of 2 trials have ended: 2 done.")
    assert "0 of 2 trials done" in said


def test_workers_that_only_die_are_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.search.workers._CODE", "import sys; print('no luck', file=sys.stderr); sys.exit(3)")
    study = write_study(tmp_path / "study")
    heard: list[events.Event] = []
    with pytest.raises(archdsl.SpecError) as caught:
        search.run(study, trials=2, workers=2, on_event=heard.append)
    [found] = caught.value.diagnostics
    assert (found.slug, found.message) == ("no-evaluator", "the workers of the study die one after the other")
    assert found.notes[0].message == "a worker died with exit code 3: no luck"
    assert sum(isinstance(event, events.Waiting) for event in heard) == 5


# --- again ---


@pytest.mark.usefixtures("quick")
def test_the_calls_that_repeat_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = write_study(tmp_path / "study")
    search.run(study, trials=22, sampler="nsga2", time_limit=60)
    found = search.resume(study, trials=26)
    first, second = again(found, Lock.read(StudyFolder(study))).splitlines()
    assert first == "archdsl search run . -o ../again --trials 22 --sampler nsga2 --seed 0 --time-limit 60"
    assert second == "archdsl search resume ../again --trials 26"
    monkeypatch.chdir(study)
    for call in (first, second):
        assert main(call.split()[1:]) == 0
    assert told(search.history(tmp_path / "again")) == told(found)
