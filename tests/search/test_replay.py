"""What a study stored comes out again: of its trials, and of its winners as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.search import replay as replaying
from archdsl.search import run
from archdsl.search.folder import StudyFolder
from archdsl.search.history_csv import write_history
from archdsl.search.objectives.objective import Candidate
from archdsl.search.objectives.registry import make
from archdsl.search.replay import Replay, replay
from archdsl.search.report.page import write_report
from archdsl.search.results import write_results
from archdsl.search.study import read_study
from archdsl.search.winners import winning, write_winners
from tests.search.histories import trial
from tests.search.studies import write_study


@pytest.mark.slow
def test_trials_and_winners_come_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(write_study(tmp_path / "s", objectives="maximize zen_score\n  minimize latency"))
    history = run(folder, trials=5, seed=3)
    for index in range(5):
        again = replay(folder, index)
        assert again.agrees
        assert again.repeatable == {"zen_score"}
        assert again.values["zen_score"] == history.trials[index].values["zen_score"]
    # the files that a study leaves
    paths = write_winners(history, folder)
    assert [path.stem for path in paths] == [f"{history.space.name}_{t.index:03}" for t in winning(history)]
    for path, found in zip(paths, winning(history), strict=True):
        spec = archdsl.load(path)
        assert (spec.params, spec.flops, spec.hash) == (found.params, found.flops, found.hash)
        value = make("zen_score", {}).measure(Candidate(spec, 3, torch.device("cpu")), lambda number, value: None)
        assert value == found.values["zen_score"]
    for write in (write_history, write_results, write_report):
        assert write(history, folder).is_file()
    # a stored value that is another one is told
    stored = read_study(folder)
    wrong = replace(stored.trials[1], values={**stored.trials[1].values, "zen_score": 1.0, "latency": 1e9})
    monkeypatch.setattr(replaying, "read_study", lambda study, storage: replace(stored, trials=(stored.trials[0], wrong)))
    again = replay(folder, 1)
    assert not again.agrees
    assert again.differing == ("zen_score",)


def test_what_cannot_be_measured_again_is_refused(tmp_path: Path, quick: None) -> None:
    folder = StudyFolder(write_study(tmp_path / "s"))
    run(folder, trials=2)
    with pytest.raises(ValueError, match="no trial 7"):
        replay(folder, 7)


def test_a_trial_that_fails_again_agrees() -> None:
    failed = trial(1, state="failed", error="none")
    assert Replay(failed, {}, frozenset({"a"}), "none").agrees
    assert not Replay(failed, {"a": 1.0}, frozenset({"a"})).agrees
    done = trial(1, {"a": 1.0, "b": 2.0})
    assert Replay(done, {"a": 1.0, "b": 3.0}, frozenset({"a"})).agrees
    assert not Replay(done, {}, frozenset({"a"}), "it broke").agrees
