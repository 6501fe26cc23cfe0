"""What the shipped studies found: their winners are the trials they say they are, and come out again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import archdsl
from archdsl.resources import data_path
from archdsl.search.folder import StudyFolder
from archdsl.search.replay import replay
from archdsl.search.study import read_study
from archdsl.search.winners import winner_name, winning

STUDIES = sorted(path.parent.name for path in data_path("search").glob("*/RESULTS.md"))


@pytest.fixture
def folder(name: str, tmp_path: Path) -> StudyFolder:
    """The study, where something may be written beside it."""
    shutil.copytree(data_path("search") / name, tmp_path / name)
    return StudyFolder(tmp_path / name)


def test_each_large_study_ships_with_what_it_found() -> None:
    assert {"biformer_nas", "digits_small", "mixer_nas"} <= set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_winners_are_their_trials(folder: StudyFolder) -> None:
    history = read_study(folder)
    space = history.space.space
    assert space is not None
    assert len(history.trials) == history.total
    won = {winner_name(history, trial): trial for trial in winning(history)}
    assert {path.stem for path in folder.winners.glob("*.arch")} == set(won)
    # loading takes a while: the first, the last, and one between
    for name in sorted(won)[:: max(1, len(won) // 2)]:
        spec, trial = archdsl.load(folder.winners / f"{name}.arch"), won[name]
        assert (spec.hash, spec.params, spec.flops) == (trial.hash, trial.params, trial.flops)
        assert {expectation.status for expectation in spec.expectations} == {"holds"}
        assert space.keeps_budgets(space.point(trial.point))


@pytest.mark.parametrize("name", STUDIES)
def test_all_that_was_measured_is_within_the_budgets(folder: StudyFolder) -> None:
    history = read_study(folder)
    space = history.space.space
    assert space is not None
    size = space.base_network.image.size
    done = [trial for trial in history.trials if trial.state == "done"]
    assert len(done) >= 0.8 * len(history.trials)
    for budget in space.budgets:
        assert budget.at in (None, size)
        assert all(budget.holds(getattr(trial, budget.quantity)) for trial in done)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_winners_come_out_again(folder: StudyFolder) -> None:
    history = read_study(folder)
    for trial in winning(history)[:2]:
        again = replay(folder, trial.index)
        assert again.error is None
        # fvcore has confirmed the counts; processors differ in the last digits, which may turn single images around
        for name in again.repeatable & trial.values.keys():
            tolerance = {"abs": 0.01} if name == "accuracy" else {"rel": 1e-5}
            assert again.values[name] == pytest.approx(trial.values[name], **tolerance)
