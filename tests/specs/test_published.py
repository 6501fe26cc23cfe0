"""The shipped specs: their counts are the published ones, at every size that was measured on the published code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archdsl

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "specs").glob("*.arch"))

# parameters, and fvcore's count of the published code at a size
MEASURED = [
    ("biformer_t", (224, 224), 13_142_760, 2_228_044_160),
    ("biformer_s", (224, 224), 25_536_232, 4_487_312_640),
    ("biformer_b", (224, 224), 56_804_968, 9_794_514_816),
    ("biformer_stl", (224, 224), 28_372_552, 4_589_905_728),
    ("davit_tiny", (224, 224), 28_360_168, 4_540_244_736),
    ("davit_tiny", (192, 256), 28_360_168, 4_813_147_008),
    ("davit_tiny", (250, 250), 28_360_168, 6_600_237_600),
    ("davit_small", (224, 224), 49_745_896, 8_800_488_192),
    ("davit_base", (224, 224), 87_954_408, 15_510_430_720),
    ("davit_large_384", (384, 384), 196_811_752, 102_966_676_992),
]


@pytest.mark.parametrize(("name", "at", "params", "flops"), MEASURED)
def test_counts(name: str, at: tuple[int, int], params: int, flops: int) -> None:
    spec = archdsl.load(ROOT / "specs" / f"{name}.arch", at=at)
    assert (spec.params, spec.flops) == (params, flops)


def test_every_spec_was_measured() -> None:
    assert {path.stem for path in SPECS} == {name for name, *_ in MEASURED}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_says_what_it_is_and_expects_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(r"# [^\n]*(19|20)\d\d \(arXiv:\d{4}\.\d{5}\)\n# ", text), "paper, year and number come first"
    assert archdsl.load(path).name == path.stem
    assert not archdsl.check([path])
    for quantity in ("params", "flops"):
        written = re.findall(rf"expect {quantity}\s*= (\S+)", text)
        assert sorted(word[-1].isdigit() for word in written) == [False, True], "the published number and the exact one"


def test_the_table_has_every_spec() -> None:
    table = (ROOT / "specs" / "README.md").read_text(encoding="utf-8")
    rows = {
        name: (int(params.replace(",", "")), int(flops.replace(",", "")))
        for name, params, flops in re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \|", table, re.MULTILINE)
    }
    assert rows == {path.stem: (spec.params, spec.flops) for path in SPECS for spec in [archdsl.load(path)]}


def test_an_indivisible_input_is_refused_and_padding_allows_it() -> None:
    path = ROOT / "specs" / "biformer_t.arch"
    with pytest.raises(archdsl.SpecError, match="pad = true"):
        archdsl.load(path, at=(256, 256))
    assert archdsl.load(path, at=(256, 256), set={"routed.pad": True}).params == 13_142_760
