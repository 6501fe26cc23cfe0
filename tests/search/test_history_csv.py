"""The history of a study as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import archdsl
from archdsl.ir.space import Objective
from archdsl.search.folder import StudyFolder
from archdsl.search.history_csv import columns, history_csv, write_history
from tests.ir.support import TINY
from tests.search.histories import over, study, trial


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_says_all_of_its_trial() -> None:
    history = study("mixer_small", 12)
    rows = read(history_csv(history))
    assert list(rows[0]) == list(columns(history))
    assert [int(row["index"]) for row in rows] == list(range(12))
    for row, made in zip(rows, history.trials, strict=True):
        assert {path: row[path] for path in made.point} == dict(made.point)
        # a decision that does not exist there is empty
        assert {row[d.path] for d in history.space.decisions if d.path not in made.point} <= {""}
        assert (row["state"], int(row["params"]), int(row["flops"])) == (made.state, made.params, made.flops)
        for name in ("zen_score", "latency"):
            assert (float(row[name]) if row[name] else None) == made.values.get(name)
        assert row["error"] == (made.error or "")
        assert row["hash"] == made.hash
        assert float(row["seconds"]) == round(sum(made.seconds.values()), 3)


def test_columns_stand_before_there_are_trials_and_whatever_their_order() -> None:
    history = study("mixer_small", 6)
    empty = replace(history, trials=())
    assert columns(empty) == columns(history)
    assert read(history_csv(empty)) == []
    assert history_csv(replace(history, trials=history.trials[::-1])) == history_csv(history)
    assert columns(history)[:3] == ("index", "state", "width")
    assert columns(history)[-7:] == ("params", "flops", "zen_score", "latency", "hash", "seconds", "error")


def test_names_that_columns_have_already_are_told_apart() -> None:
    text = TINY.replace("width", "hash") + "\nspace few over tiny { let hash = 32 | 64 }"
    space = archdsl.loads(text, name="few")
    history = over(space, 2, 0, study="few")
    history = replace(history, objectives=(Objective("minimize", "flops"), Objective("minimize", "hash")))
    names = columns(history)
    assert names == (
        *("index", "state", "decision hash", "params", "flops", "objective hash"),
        *("hash", "seconds", "error"),
    )
    assert len(set(names)) == len(names)


def test_an_error_stays_on_its_line_and_is_quoted(tmp_path: Path) -> None:
    history = study("mixer_small", 1)
    odd = trial(1, state="failed", error='a "bad",\nvalue\r\n= here', point={})
    history = replace(history, trials=(*history.trials, odd))
    path = write_history(history, StudyFolder(tmp_path))
    assert path == tmp_path / "history.csv"
    lines = path.read_bytes().decode().split("\n")
    assert len(lines) == 4
    assert read(path.read_text())[1]["error"] == 'a "bad", value = here'
    assert list(tmp_path.iterdir()) == [path]
