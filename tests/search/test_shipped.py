"""Studies that ship with what they found, but without their trials: they are looked at, and begun again elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archdsl import search
from archdsl.cli.main import main
from archdsl.search.folder import StudyFolder
from archdsl.search.history_csv import read_trials, write_history
from archdsl.search.study import load_space, plan
from archdsl.source.diagnostic import SpecError
from tests.search.studies import told, write_study

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No published model is looked at, which takes a second."""
    monkeypatch.setattr("archdsl.search.published.packaged_names", lambda: ())


@pytest.fixture
def shipped(tmp_path: Path, inside: None, trouble: Path) -> Path:
    """A study with trials that failed, as a package has it."""
    settings = "trials: 9\nsampler: random\nseed: 1\nobjectives: {trouble: {mode: raise, every: 2}}\n"
    study = write_study(tmp_path / "shipped", objectives="maximize trouble\n  minimize flops", settings=settings)
    search.run(study)
    return study


def _without_trials(study: Path) -> None:
    for path in [*study.glob("study.db*"), *study.glob(".study.db*")]:
        path.unlink()


def test_the_table_tells_what_the_storage_tells(shipped: Path) -> None:
    whole = search.history(shipped)
    _without_trials(shipped)
    before = {path: path.stat().st_mtime_ns for path in shipped.rglob("*")}
    found = search.history(shipped)
    assert {trial.state for trial in found.trials} == {"done", "failed"}
    assert told(found) == told(whole)
    assert [trial.error for trial in found.trials] == [trial.error for trial in whole.trials]
    assert [(trial.params, trial.flops) for trial in found.trials] == [(trial.params, trial.flops) for trial in whole.trials]
    assert (found.total, found.study, found.objectives) == (whole.total, whole.study, whole.objectives)
    assert found.base is not None
    assert found.base.index == 0
    assert {path: path.stat().st_mtime_ns for path in shipped.rglob("*")} == before


def test_it_is_shown_reported_and_exported(shipped: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["search", "show", str(shipped)]) == 0
    shown = capsys.readouterr()
    _without_trials(shipped)
    assert main(["search", "show", str(shipped)]) == 0
    assert capsys.readouterr() == shown
    assert main(["search", "show", str(shipped), "--json"]) == 0
    assert main(["search", "report", str(shipped), "-o", str(tmp_path / "page.html")]) == 0
    assert "tiny" in (tmp_path / "page.html").read_text()
    assert main(["search", "export", str(shipped), "-o", str(tmp_path / "best")]) == 0
    exported = {path.name: path.read_text() for path in (tmp_path / "best").iterdir()}
    # those that ship, but for the way to the base
    assert exported.keys() == {path.name for path in (shipped / "winners").iterdir()}


def test_it_is_begun_elsewhere_and_not_written_over(shipped: Path, tmp_path: Path, capsys: Captured) -> None:
    whole = search.history(shipped)
    _without_trials(shipped)
    before = {path: path.read_bytes() for path in shipped.rglob("*") if path.is_file()}
    assert main(["search", "run", str(shipped)]) == 2
    said = capsys.readouterr().err
    assert "error[study-exists]" in said
    assert "holds what 9 trials found" in said
    assert "-o DIR" in said
    for verb in ("resume", "worker"):
        assert main(["search", verb, str(shipped)]) == 2
        assert "its trials are not here, only what 9 trials found" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in shipped.rglob("*") if path.is_file()} == before
    own = tmp_path / "own"
    assert main(["search", "run", str(shipped), "-o", str(own)]) == 0
    assert told(search.history(own)) == told(whole)


def test_pruned_trials_and_names_that_are_columns(tmp_path: Path, quick: None) -> None:
    folder = StudyFolder(write_study(tmp_path / "study"))
    history = search.run(folder, trials=4, sampler="random")
    trials = (*history.trials[:2], replace(history.trials[2], state="pruned", values={}), history.trials[3])
    write_history(replace(history, trials=trials), folder)
    found = read_trials(folder, load_space(folder))
    assert [(trial.state, trial.values) for trial in found] == [(trial.state, trial.values) for trial in trials]


@pytest.mark.parametrize(
    ("old", "new"),
    [("params", "weights"), ("done", "over"), ("\n1,", "\n0,"), ("\n1,", "\none,"), (",1,", ",77,"), ("done", '"done')],
)
def test_a_table_that_was_edited(old: str, new: str, tmp_path: Path, quick: None) -> None:
    folder = StudyFolder(write_study(tmp_path / "study"))
    history = search.run(folder, trials=4, sampler="random")
    write_history(history, folder)
    _without_trials(folder.path)
    folder.history.write_text(folder.history.read_text().replace(old, new))
    with pytest.raises(SpecError, match=r"history\.csv") as caught:
        search.history(folder.path)
    assert caught.value.diagnostics[0].slug == "damaged-study"
    assert plan(folder).old is not None
