"""Published means proved: every spec that ships has the counts of its paper and of its authors' code."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import archdsl

ROOT = Path(__file__).resolve().parents[2]
# one file for each family
TABLES = sorted((Path(__file__).parent / "published").glob("*.yaml"))
ROWS = [row for table in TABLES for row in yaml.safe_load(table.read_text(encoding="utf-8"))]
SPECS = sorted((ROOT / "specs").glob("*.arch"))
# counted by fvcore in a second or two each; the others belong to the slow suite
QUICK = {"biformer_t", "biformer_stl", "davit_tiny", "tiny_moat_0"}


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def _opening(path: Path) -> str:
    """The comment that a spec begins with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(itertools.takewhile(lambda line: line.startswith("#"), lines))


def _name(row: dict[str, object]) -> str:
    return f"{row['spec']}{'+fuse' * _fuse(row)}@{row['at']}"


def _fuse(row: dict[str, object]) -> bool:
    """Whether a row is about the deploy form."""
    return bool(row.get("fuse", False))


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_the_closed_form_has_the_published_counts(row: dict[str, object]) -> None:
    spec = archdsl.load(ROOT / "specs" / f"{row['spec']}.arch", at=_size(str(row["at"])), fuse=_fuse(row))
    # a row has no operations where there are none to compare with
    assert (spec.params, spec.flops) == (row["params"], row.get("flops", spec.flops))


def _expected(row: dict[str, object]) -> bool:
    """Whether the spec itself says these operations: `archdsl verify` then measures them, in the slow suite."""
    text = (ROOT / "specs" / f"{row['spec']}.arch").read_text(encoding="utf-8")
    return bool(re.search(rf"expect flops += [\d_]+ +at {row['at']}{' +by fused' * _fuse(row)}\n", text))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=() if row["spec"] in QUICK else pytest.mark.slow, id=_name(row))
        for row in ROWS
        if row["spec"] in QUICK or not _expected(row)
    ],
)
def test_fvcore_measures_the_published_counts(row: dict[str, object]) -> None:
    counted = archdsl.count(ROOT / "specs" / f"{row['spec']}.arch", at=_size(str(row["at"])), fuse=_fuse(row))
    flops = row.get("flops", counted.flops)
    assert (counted.params, counted.flops, counted.flops_fvcore) == (row["params"], flops, flops)
    assert counted.comparison.equal, counted.comparison.differing


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_holds_what_it_expects_and_says_nothing_else(path: Path) -> None:
    assert archdsl.check(path) == ()
    spec = archdsl.load(path)
    assert spec.name == path.stem
    assert spec.expectations
    # a published number that no rule gives is recorded with its reason
    assert {expectation.status for expectation in spec.expectations} <= {"holds", "recorded"}
    # an exact count and a published one of each kind; of a reconstruction nothing is published
    kinds = {(expectation.quantity, expectation.bound.exact) for expectation in spec.expectations}
    published = () if "reconstruction" in _opening(path).lower() else (False,)
    wanted = {(quantity, exact) for quantity in ("params", "flops") for exact in (True, *published)}
    if "FLOPs were not published" in _opening(path):
        wanted.discard(("flops", False))
    if "only the parameters can be compared" in _opening(path):
        wanted -= {("flops", False), ("flops", True)}
    assert kinds == wanted


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_is_written_as_fmt_writes_it(path: Path) -> None:
    from archdsl.lang.fmt import format_file
    from archdsl.lang.parse import parse_file
    from archdsl.source.diagnostic import Report
    from archdsl.source.text import Source

    text = path.read_text(encoding="utf-8")
    file = parse_file(Source(path.name, text), Report())
    assert file is not None
    assert format_file(file) == text


def test_count_as_json_has_all_three() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", "count", "specs/biformer_t.arch", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert (told["params"], told["flops"], told["flops_fvcore"]) == (13142760, 2228044160, 2228044160)
