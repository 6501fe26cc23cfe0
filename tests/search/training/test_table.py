"""The table of trained specs: begun, cut off, gone on with, scored; and what is committed of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import archdsl

HERE = Path(__file__).resolve().parents[3] / "benchmarks" / "search"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """`train_all` and `score_all`, as they are run from their folder."""
    monkeypatch.syspath_prepend(str(HERE))
    found = []
    for name in ("train_all", "score_all"):
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        found.append(module)
    yield found[0], found[1]


def test_it_goes_on_where_it_was_cut_off(
    scripts: tuple[ModuleType, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_all, score_all = scripts
    out = tmp_path / "table.csv"
    few = list(train_all.points(archdsl.load(f"{HERE / 'table.arch'}:table")))[:4]
    monkeypatch.setattr(train_all, "points", lambda spec: iter(few))
    monkeypatch.setattr(train_all, "RECIPE", train_all.Recipe(epochs=1, batch=32, lr=1e-2))
    monkeypatch.setattr(train_all, "DATA", "digits")
    monkeypatch.setattr(train_all, "SPLIT", train_all.Split(train_images=64, val_images=20))
    monkeypatch.setattr(sys, "argv", ["train_all.py", "--out", str(out)])
    train_all.main()
    whole = train_all.rows(out)
    assert [{path: row[path] for path in few[0]} for row in whole] == few

    out.write_text("".join(out.read_text().splitlines(keepends=True)[:3])[:-9])
    assert len(train_all.rows(out)) == 1
    monkeypatch.setattr(sys, "argv", ["score_all.py", "grad_norm", "--table", str(out)])
    score_all.main()
    monkeypatch.setattr(sys, "argv", ["train_all.py", "--out", str(out)])
    train_all.main()
    again = train_all.rows(out)
    timed = {"seconds", "cpu_seconds", "grad_norm", "grad_norm_seconds"}
    for one, other in zip(whole, again, strict=True):
        assert {name: value for name, value in one.items() if name not in timed} == {
            name: value for name, value in other.items() if name not in timed
        }
    assert [bool(row["grad_norm"]) for row in again] == [True, False, False, False]


def test_the_committed_table_is_of_the_space_beside_it(scripts: tuple[ModuleType, ModuleType]) -> None:
    train_all, _ = scripts
    space = archdsl.load(f"{HERE / 'table.arch'}:table")
    table = train_all.rows(HERE / "table.csv")
    points = list(train_all.points(space))
    assert [{path: row[path] for path in points[0]} for row in table] == points
    assert len({row["hash"] for row in table}) == len(points) == 256
    for row, named in list(zip(table, points, strict=True))[::37]:
        spec = space.arch(space.space.point(named))
        assert (spec.hash, spec.params, spec.flops) == (row["hash"], int(row["params"]), int(row["flops"]))
        assert row["accuracy"] == row["accuracy_5"]
