"""The verbs of `archdsl search` on real studies, from the first trial to the report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.cli.main import main
from tests.search.studies import Inside, write_study

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]


def search(*words: object) -> int:
    return main(["search", *map(str, words)])


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def study(tmp_path: Path, inside: None) -> Path:
    """A study of two counted objectives, not begun."""
    return write_study(tmp_path / "tiny", settings="trials: 6\nseed: 3\n")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No published model is looked at, which takes a second."""
    monkeypatch.setattr("archdsl.search.published.packaged_names", lambda: ())


def test_a_study_from_the_first_trial_to_the_report(study: Path, capsys: Captured) -> None:
    assert search("run", study) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("tiny: 6 of 6 trials have ended: 6 done.\n\n")
    assert "params (max)" in shown
    assert "base" in shown
    lines = said.splitlines()
    assert lines[0] == f"tiny: 0 of 6 trials done, sampler random, seed 3, 1 worker, storage {study.as_posix()}/study.db"
    assert lines[-1].startswith("6 trials done now in ")
    assert lines[-1].endswith(f"; {study.as_posix()}")
    assert {"history.csv", "RESULTS.md", "winners", "study.lock", "study.db"} <= {path.name for path in study.iterdir()}

    assert search("show", study) == 0
    assert capsys.readouterr() == (shown, "")
    assert search("show", study, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [trial["index"] for trial in found["trials"]] == list(range(6))
    assert found["objectives"] == [{"name": "params", "direction": "maximize"}, {"name": "flops", "direction": "minimize"}]
    assert {row["kind"] for row in found["beside"]} == {"base"}
    assert (found["version"], found["name"], found["total"], found["base"]) == (1, "tiny", 6, 0)
    assert set(found["front"]) <= set(range(6))

    assert search("export", study) == 0
    paths = capsys.readouterr().out.splitlines()
    assert paths
    assert all(Path(path).parent == study / "winners" for path in paths)
    assert search("report", study) == 0
    assert capsys.readouterr().out == f"{(study / 'report.html').as_posix()}\n"
    assert "<html" in (study / "report.html").read_text()

    assert search("run", study) == 2
    assert "error[study-exists]" in capsys.readouterr().err


def test_resume_takes_more(study: Path, capsys: Captured) -> None:
    assert search("run", study, "--trials", 3, "--json") == 0
    shown, said = capsys.readouterr()
    first = objects(shown)
    assert said == ""
    assert [trial["index"] for trial in first] == [0, 1, 2]
    assert search("resume", study, "--trials", 5, "--json") == 0
    more = objects(capsys.readouterr().out)
    assert [trial["index"] for trial in more] == [3, 4]
    assert search("resume", study) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("tiny: 5 of 5 trials have ended")
    assert said.splitlines()[-1] == f"0 trials done now; {study.as_posix()}"


def test_what_is_exported(study: Path, capsys: Captured, tmp_path: Path) -> None:
    assert search("run", study, "-q") == 0
    capsys.readouterr()
    assert search("export", study, "--top", 2, "-o", tmp_path / "top") == 0
    paths = capsys.readouterr().out.splitlines()
    assert len(paths) == 2
    first, second = (archdsl.load(path).params for path in paths)
    assert first > second
    assert search("export", study, "--all", "-o", tmp_path / "all") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(list((tmp_path / "all").iterdir())) == 6
    assert main(["check", str(tmp_path / "all"), str(tmp_path / "top")]) == 0


def test_nothing_to_export(study: Path, capsys: Captured) -> None:
    assert search("export", study) == 0
    assert capsys.readouterr() == ("", "`tiny` has no spec to write yet\n")
    assert search("show", study) == 0
    assert "No trial has ended yet." in capsys.readouterr().out


def test_a_study_in_a_folder_of_its_own(study: Path, capsys: Captured, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in study.iterdir()}
    target = tmp_path / "of its own"
    assert search("run", study, "-o", target, "--trials", 2) == 0
    assert capsys.readouterr().err.splitlines()[0].startswith("tiny: 0 of 2 trials done, sampler random, seed 3,")
    assert {path: path.read_bytes() for path in study.iterdir()} == before
    assert (target / "study.yaml").read_text() == "trials: 6\nseed: 3\n"
    assert search("resume", target, "--trials", 3) == 0
    # another space by the same name is not replaced
    (study / "space.arch").write_text((study / "space.arch").read_text().replace("1..4", "1..3"))
    capsys.readouterr()
    assert search("run", study, "-o", target) == 2
    assert "its `space.arch` is another than that of" in " ".join(capsys.readouterr().err.split())


def test_the_study_of_a_file(study: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    Path("space.arch").rename("wide.arch")
    assert search("run", "wide.arch", "--trials", 2) == 0
    assert (Path("wide.study/space.arch")).read_text() == Path("wide.arch").read_text()
    assert search("show", "wide.arch", "--json") == 0
    assert search("show", "wide.study") == 0
    assert "2 of 2 trials" in capsys.readouterr().out


def test_a_packaged_study(inside: None, tmp_path: Path, capsys: Captured) -> None:
    from archdsl.search.copying import copied
    from archdsl.search.folder import StudyFolder
    from archdsl.search.study import load_space

    source = StudyFolder.of(ROOT / "search" / "mixer_small")
    made = copied(source, load_space(source), tmp_path / "mixers")
    # what it imports came along
    assert load_space(made).hash == load_space(source).hash
    assert {path.name for path in made.path.iterdir()} >= {"space.arch", "pyramid_small.arch"}


def test_a_dry_run_writes_nothing(study: Path, capsys: Captured, tmp_path: Path) -> None:
    before = sorted(study.iterdir())
    assert search("run", study, "--dry-run", "-o", tmp_path / "target", "--trials", 1000, "--workers", 2) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("space    216 points, of which 204 fit: 94.4 %\nbase     ")
    assert "study    1_000 trials x " in shown
    assert ", 2 at a time: " in shown
    assert "sampler  nsga2, seed 3\n" in shown
    assert f"writes   {(tmp_path / 'target' / 'study.db').as_posix()}, " in shown
    assert search("run", study, "--dry-run", "--json", "--sampler", "random") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["base"]["fits"] is True
    assert set(found["base"]["values"]) == {"params", "flops"}
    assert found["seconds"] == pytest.approx(6 * sum(found["base"]["seconds"].values()))
    assert (found["trials"], found["sampler"], found["seed"]) == (6, "random", 3)
    assert sorted(study.iterdir()) == before
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("mode", "limit", "said"),
    [
        ("raise", "none", "trouble raised ValueError: there are no data"),
        ("hang", "0.5", "it took longer than the time limit of 0.5 s, and was stopped"),
    ],
)
def test_a_dry_run_of_a_base_that_cannot_be_measured(
    mode: str, limit: str, said: str, trouble: Path, tmp_path: Path, capsys: Captured
) -> None:
    settings = f"time_limit: {limit}\nobjectives:\n  trouble:\n    mode: {mode}\n"
    study = write_study(tmp_path / "s", objectives="maximize trouble", settings=settings)
    assert search("run", study, "--dry-run") == 1
    assert f"not measured: {said}" in capsys.readouterr().out


def test_a_dry_run_measures_as_a_worker_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    seen: list[tuple[int, float | None]] = []

    class Seen(Inside):
        def __init__(self, order: dict[str, Any], time_limit: float | None) -> None:
            super().__init__(order, time_limit)
            seen.append((order["threads"], time_limit))

    monkeypatch.setattr("archdsl.search.estimate.Evaluator", Seen)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # over its budget the base takes as long
    study = write_study(tmp_path / "s", budget="13K", settings="time_limit: 9\n")
    for workers, threads, times in ((1, 0, 1), (2, 4, 2), (20, 1, 8)):
        assert search("run", study, "--dry-run", "--json", "--trials", 40, "--workers", workers) == 0
        found = json.loads(capsys.readouterr().out)
        assert seen.pop() == (threads, 9)
        assert found["base"]["error"] is None
        assert found["seconds"] == pytest.approx(40 / times * sum(found["base"]["seconds"].values()))


def test_every_spec_is_seen(inside: None, tmp_path: Path, capsys: Captured) -> None:
    study = write_study(tmp_path / "s", budget="13K")
    assert search("count", study, "--json") == 0
    fit = json.loads(capsys.readouterr().out)["fit"]["lower"]
    assert 1 < fit < 50
    assert search("run", study, "--trials", 60) == 0
    shown, said = capsys.readouterr()
    assert "the study ends early: every feasible spec has been seen" in said
    assert shown.startswith(f"tiny: {fit} of 60 trials have ended")


def test_a_study_that_measures_nothing(inside: None, trouble: Path, tmp_path: Path, capsys: Captured) -> None:
    settings = "objectives:\n  trouble:\n    mode: nan\n"
    study = write_study(tmp_path / "s", objectives="maximize trouble", settings=settings)
    assert search("run", study, "--trials", 3) == 1
    shown, said = capsys.readouterr()
    assert "No spec was measured: 3 trials, none done." in shown
    assert ", 3 failed; " in said
    assert search("run", study, "--trials", 3, "--json", "-o", tmp_path / "t") == 1
    shown, said = capsys.readouterr()
    assert {(trial["state"], trial["error"]) for trial in objects(shown)} == {("failed", "trouble is nan")}
    assert search("run", study, "--trials", 30, "--json", "-o", tmp_path / "u") == 1
    # what stops the study is a line like the others
    *trials, last = objects(capsys.readouterr().out)
    assert len(trials) == 10
    assert [found["slug"] for found in last["diagnostics"]] == ["failing-trials"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trials", "2000000"], "error: `trials` is a whole number from 1 to 1_000_000, not 2000000"),
        (["--workers", "1000"], "error: `workers` is a whole number from 1 to 256, not 1000"),
        (["--seed", "4294967296"], "error: `seed` is a whole number from 0 to 4_294_967_295, not 4294967296"),
        (["--device", " "], "error: `device` is a text, not ' '"),
    ],
)
def test_settings_out_of_their_bounds(words: list[str], said: str, study: Path, capsys: Captured) -> None:
    for more in ([], ["--dry-run"]):
        assert search("run", study, *words, *more) == 2
        assert capsys.readouterr().err.startswith(said)
    assert sorted(path.name for path in study.iterdir()) == ["space.arch", "study.yaml"]


def test_a_worker_needs_a_study(study: Path, capsys: Captured) -> None:
    for verb in ("worker", "resume"):
        assert search(verb, study) == 2
        assert "error[not-a-study]" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt(times: int, trouble: Path, tmp_path: Path, capsys: Captured) -> None:
    settings = "objectives:\n  trouble:\n    seconds: 0.3\n"
    study = write_study(tmp_path / "s t", objectives="maximize trouble", settings=settings)
    run = subprocess.Popen(
        [sys.executable, "-m", "archdsl", "search", "run", str(study), "--trials", "100", "-v"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{trouble}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    heard = []
    for line in run.stderr:
        heard.append(line)
        if line.startswith("2 of 100 trials"):
            break
    for _ in range(times):
        run.send_signal(signal.SIGINT)
    shown, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert said.endswith(
        f"interrupted; what was finished is saved. Go on with:\n  archdsl search resume '{study.as_posix()}'\n"
    )
    assert shown == ""
    assert search("resume", study, "--trials", 4, "--json") == 0
    done = objects(capsys.readouterr().out)
    assert 1 <= len(done) <= 2
    assert done[-1]["index"] == 3
