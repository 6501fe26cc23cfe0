"""What can go wrong while a study runs: each has one outcome, and loses nothing that was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import archdsl
from archdsl import search
from archdsl.search import events
from archdsl.search.evaluator import Evaluator
from archdsl.search.folder import StudyFolder
from archdsl.search.study import plan
from archdsl.source.diagnostic import SpecError
from tests.search.studies import told, write_study

ROOT = Path(__file__).parents[2]
Finished = subprocess.CompletedProcess[str]


def _settings(mode: str, *, every: int = 2, more: str = "") -> str:
    return f"{more}\nobjectives: {{trouble: {{mode: {mode}, every: {every}}}}}\n"


def _slug(error: pytest.ExceptionInfo[SpecError]) -> str:
    [found] = error.value.diagnostics
    return found.slug


# whoever is root may write everywhere, unless he gives up his powers
_POWERLESS = """
import ctypes, os
if os.geteuid() == 0:
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0
"""


def _script(study: Path, package: Path | None, call: str, *, limit: int | None = None, before: str = "") -> Finished:
    """A call of the search in a process of its own, which prints the slug of its error, if there is one."""
    code = (
        f"{before}\n"
        "import json, os\n"
        "from archdsl import search\n"
        "from archdsl.source.diagnostic import SpecError\n"
        f"try:\n    {call}\n"
        "except SpecError as error:\n    print(json.dumps([error.diagnostics[0].slug, str(error)]))\n"
    )
    if limit is not None:
        code = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n{code}"
    places = [str(ROOT), *([str(package)] if package else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "STUDY": str(study)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("raise", "trouble raised ValueError: there are no data"),
        ("unmeasured", "trouble: it has no gradients"),
        ("nan", "trouble is nan"),
        ("inf", "trouble is inf"),
    ],
)
def test_a_trial_without_a_number_fails_and_the_study_goes_on(mode: str, reason: str, trouble: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=_settings(mode))
    found = search.run(study, trials=6, sampler="random", seed=1)
    assert {trial.state for trial in found.trials} == {"done", "failed"}
    for trial in found.trials:
        failed = int(trial.hash[:8], 16) % 2 == 0
        assert trial.state == ("failed" if failed else "done")
        assert trial.error == (reason if failed else None)
        assert bool(trial.values) != failed
        assert trial.params > 0


@pytest.mark.usefixtures("inside")
def test_a_value_on_the_way_that_is_no_number(trouble: Path, tmp_path: Path) -> None:
    settings = _settings("nan on the way").replace("every: 2", "every: 2, steps: 2")
    for objectives in ("maximize trouble", "maximize trouble\n  minimize flops"):
        study = write_study(tmp_path / f"study{len(objectives)}", objectives=objectives, settings=settings)
        search.run(study, trials=12, sampler="random", seed=1)
        for trial in search.resume(study, trials=16).trials:
            failed = int(trial.hash[:8], 16) % 2 == 0
            assert (trial.state == "failed") == failed
            assert trial.error == ("trouble is nan at step 0" if failed else None)


@pytest.mark.usefixtures("inside")
def test_nothing_but_failures_stop_the_study(trouble: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=_settings("raise", every=1))
    with pytest.raises(SpecError, match="4 trials failed one after the other") as caught:
        search.run(study, trials=20, failures=4)
    assert _slug(caught) == "failing-trials"
    assert "there are no data" in str(caught.value)
    assert [trial.state for trial in search.history(study).trials] == ["failed"] * 4
    with pytest.raises(SpecError):
        search.resume(study, trials=20, failures=2)
    assert [trial.index for trial in search.history(study).trials] == list(range(6))


@pytest.mark.usefixtures("inside")
def test_a_count_that_differs_is_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.budget import fvcore_count
    from archdsl.budget.fvcore_count import Measured

    right = fvcore_count.measure

    def wrong(module, network) -> Measured:
        found = right(module, network)
        return Measured(found.params, found.flops + 1, found.ops, found.parts, found.params_by_part, found.uncounted)

    monkeypatch.setattr(fvcore_count, "measure", wrong)
    study = write_study(tmp_path / "study")
    found = search.run(study, trials=2)
    assert [trial.state for trial in found.trials] == ["failed", "failed"]
    assert (found.trials[0].error or "").startswith(
        "a bug in archdsl or in a component: closed form and fvcore differ at 16x16"
    )
    kept = study / "bugs" / "trial_0.arch"
    assert archdsl.load(kept).hash == found.trials[0].hash


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("hang", "it took longer than the time limit of 3 s, and was stopped"),
        ("crash", "its process died with SIGKILL, perhaps for want of memory"),
        ("exit", "its process died with exit code 3"),
        ("orphan", "its process died with SIGKILL, perhaps for want of memory"),
    ],
)
def test_a_spec_that_takes_its_process_down_costs_its_trial(mode: str, reason: str, trouble: Path, tmp_path: Path) -> None:
    settings = _settings(mode, more="time_limit: 3")
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=settings)
    found = search.run(study, trials=4, sampler="random", seed=1)
    assert {trial.state for trial in found.trials} == {"done", "failed"}
    for trial in found.trials:
        assert trial.error == (reason if int(trial.hash[:8], 16) % 2 == 0 else None)


def _runs(stat: Path) -> bool:
    """Whether the process of a `/proc/PID/stat` is alive; one that waits for being buried is not."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hang", "crash"])
@pytest.mark.parametrize("group", ["same", "other"])
def test_a_child_that_outlives_its_evaluation_keeps_nobody_waiting(
    mode: str, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what an objective may do to its process: start another one, which keeps its pipes open
    code = (
        "import os, signal, sys, time\n"
        "os.write(1, b'{\"ready\": 1}\\n')\n"
        "if os.fork() == 0:\n"
        f"    {'os.setsid()' if group == 'other' else 'pass'}\n"
        f"    open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        f"while not os.path.exists({str(tmp_path / 'child')!r}): time.sleep(0.01)\n"
        f"time.sleep(1000) if {mode == 'hang'} else os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setattr("archdsl.search.evaluator._CODE", code)
    evaluator = Evaluator({}, 1.0 if mode == "hang" else None)
    found = evaluator.evaluate({})
    evaluator.close()
    assert found["error"].startswith("it took longer" if mode == "hang" else "its process died with SIGKILL")
    child = int((tmp_path / "child").read_text())
    if group == "other":
        # it sleeps on: nobody waited for it
        os.kill(child, signal.SIGKILL)
    else:
        # it was killed with its parent, and waits at most for being buried; a signal needs a moment to arrive
        stat = Path(f"/proc/{child}/stat")
        patience = time.monotonic() + 10
        while _runs(stat) and time.monotonic() < patience:
            time.sleep(0.01)
        assert not _runs(stat)


def test_what_an_objective_prints_disturbs_nobody(trouble: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=_settings("print", every=1))
    assert [trial.state for trial in search.run(study, trials=2).trials] == ["done", "done"]
    assert "noise" not in capfd.readouterr().out


def test_an_evaluator_that_does_not_start(tmp_path: Path) -> None:
    order = {"objectives": [("no_such", {})], "seed": 0, "device": "cpu", "pruning": False, "threads": 0}
    with pytest.raises(SpecError, match="there is no objective `no_such`") as caught:
        Evaluator(order, None).start()
    assert _slug(caught) == "no-evaluator"


def test_no_study(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such folder") as caught:
        search.run(tmp_path / "nowhere")
    assert _slug(caught) == "not-a-study"
    with pytest.raises(SpecError, match=r"it has no `space.arch`") as caught:
        search.run(tmp_path)
    assert _slug(caught) == "not-a-study"
    study = write_study(tmp_path / "study")
    for call in (search.resume, search.worker):
        with pytest.raises(SpecError, match="it was never begun") as caught:
            call(study)
        assert _slug(caught) == "not-a-study"
    assert not (study / "study.db").exists()
    (study / "space.arch").write_text((study / "space.arch").read_text().partition("space tiny")[0])
    with pytest.raises(SpecError, match="no space") as caught:
        search.run(study)
    assert _slug(caught) == "not-a-study"


def test_no_objective(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nothing in it is better") as caught:
        search.run(write_study(tmp_path / "study", objectives=""))
    assert _slug(caught) == "no-objective"


def test_an_unreachable_budget_makes_no_study(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", budget="1K")
    with pytest.raises(SpecError) as caught:
        search.run(study)
    assert _slug(caught) == "budget-unreachable"


@pytest.mark.usefixtures("quick")
def test_a_study_is_begun_once(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    found = search.run(study, trials=2)
    for again in ({}, {"seed": 1}, {"sampler": "random"}):
        with pytest.raises(SpecError, match="it has 2 trials") as caught:
            search.run(study, trials=2, **again)
        assert _slug(caught) == "study-exists"
    assert told(search.history(study)) == told(found)


@pytest.mark.usefixtures("quick")
def test_a_study_without_a_trial_is_begun_anew(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Running):
            raise OSError("out of order")

    with pytest.raises(OSError, match="out of order"):
        search.run(study, trials=2, on_event=stop)
    assert [trial.index for trial in search.run(study, trials=2, seed=5).trials] == [0, 1]
    assert plan(StudyFolder(study)).lock.seed == 5


@pytest.mark.usefixtures("quick")
def test_a_study_that_runs_is_not_begun_a_second_time(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")

    def again(event: events.Event) -> None:
        if isinstance(event, events.Running) and event.index == 0:
            for seed in (0, 7):
                with pytest.raises(SpecError, match="its first trial is running") as caught:
                    search.run(study, trials=3, seed=seed)
                assert _slug(caught) == "study-exists"

    found = search.run(study, trials=4, on_event=again)
    assert told(search.history(study)) == told(found)
    assert len(found.trials) == 4


@pytest.mark.usefixtures("quick")
def test_a_damaged_history_is_left_alone(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    search.run(study, trials=2)
    database = study / "study.db"
    assert not list(study.glob("study.db-*"))
    whole = database.read_bytes()
    database.write_bytes(whole[:5000] + b"\x11" * (len(whole) - 5000))
    for call in (search.run, search.resume, search.worker, search.history):
        with pytest.raises(SpecError) as caught:
            call(study)
        assert _slug(caught) == "damaged-study"
    database.write_bytes(whole)
    assert len(search.resume(study, trials=3).trials) == 3


@pytest.mark.usefixtures("quick")
def test_a_history_of_another_optuna(tmp_path: Path) -> None:
    import sqlite3

    study = write_study(tmp_path / "study")
    search.run(study, trials=1)
    with sqlite3.connect(study / "study.db") as connection:
        connection.execute("UPDATE version_info SET schema_version = 1")
        connection.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    connection.close()
    with pytest.raises(SpecError) as caught:
        search.resume(study)
    assert _slug(caught) == "study-format"


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True])
def test_a_folder_that_is_read_only(begun: bool, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    if begun:
        search.run(study, trials=2)
    for path in study.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    study.chmod(0o555)
    try:
        call = "search.resume" if begun else "search.run"
        done = _script(study, None, f"{call}(os.environ['STUDY'], trials=5)", before=_POWERLESS)
        assert json.loads(done.stdout)[0] == "unwritable-study", done.stderr
        looked = _script(study, None, "print(len(search.history(os.environ['STUDY']).trials))", before=_POWERLESS)
        assert looked.stdout == ("2\n" if begun else "0\n"), looked.stderr
    finally:
        study.chmod(0o755)


@pytest.mark.slow
@pytest.mark.parametrize(("storage", "limit"), [("", 400_000), ("storage: {}/study.journal\n", 60_000)])
def test_a_full_disk(storage: str, limit: int, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", settings=storage.format(tmp_path) + "trials: 40\nsampler: random\n")
    whole = search.run(write_study(tmp_path / "whole", settings="trials: 40\nsampler: random\n"))
    done = _script(study, None, "search.run(os.environ['STUDY'])", limit=limit)
    assert json.loads(done.stdout)[0] == "unwritable-study", done.stderr
    kept = search.history(study)
    assert 0 < len(kept.trials) < 40
    assert told(search.resume(study)) == told(whole)
