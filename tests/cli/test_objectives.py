"""What the command line says of the objectives of the search."""

from __future__ import annotations

import json

import pytest

from archdsl.cli.main import main
from archdsl.ir.objectives import OBJECTIVES


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "objectives", "--plain"]) == 0
    assert capsys.readouterr().out.split() == list(OBJECTIVES)
    assert main(["list", "objectives", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["objectives"]
    assert {row["name"]: row["about"] for row in listed} == dict(OBJECTIVES)


def test_one_is_explained_with_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "zen_score"]) == 0
    told = capsys.readouterr().out
    assert "zen_score (a word of the language)" in told
    assert "zen_score (an objective)\n  How far the maps of a network without residual links move" in told
    assert "\n  direction: maximize\n  unit: natural logarithm\n  cost: `repeats` forward passes" in told
    assert "arXiv:2102.01063" in told
    assert "\n\nsettings\n  batch: whole number, >= 2, default 8\n      pairs of images\n" in told


def test_a_word_that_is_more_than_an_objective_is_explained_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "params"]) == 0
    told = capsys.readouterr().out
    assert "params (a word around the language)" in told
    assert told.rstrip().endswith("source: the closed form that `archdsl count` prints")


def test_a_misspelt_one_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "zen_scor"]) == 2
    assert "did you mean `zen_score`?" in capsys.readouterr().err
