"""What images go through: the fields, their checks, and where they end up."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir.preprocess import Preprocess
from tests.ir.support import TINY


def _with(line: str) -> str:
    return TINY.replace("classes   = 10\n", f"classes   = 10\n  {line}\n")


def test_unwritten_fields_are_those_of_imagenet() -> None:
    found = archdsl.loads(_with("preprocess = normalize(crop_ratio = 0.96)")).network.preprocess
    assert found == Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic", 0.96, "crop")
    assert archdsl.loads(TINY).network.preprocess is None


def test_it_is_inherited_and_cleared() -> None:
    base = _with('preprocess = normalize(interpolation = "bilinear")')
    child = "arch child extends tiny { }\narch bare extends tiny { preprocess = none }"
    inherited = archdsl.loads(f"{base}\n{child}", name="child").network.preprocess
    assert inherited is not None and inherited.interpolation == "bilinear"
    assert archdsl.loads(f"{base}\n{child}", name="bare").network.preprocess is None


def test_it_is_no_part_of_the_network() -> None:
    assert archdsl.loads(TINY).hash == archdsl.loads(_with("preprocess = normalize()")).hash


def test_it_is_written_out() -> None:
    text = archdsl.loads(_with("preprocess = normalize(mean = [0.5, 0.5, 0.5])")).canonical
    found = Preprocess((0.5, 0.5, 0.5), (0.229, 0.224, 0.225), "bicubic", 0.875, "crop")
    assert archdsl.loads(text).network.preprocess == found


@pytest.mark.parametrize(
    "line, slug",
    [
        ("preprocess = normalize(crop = 0.9)", "unknown-field"),
        ("preprocess = normalize(0.9)", "positional-argument"),
        ("preprocess = normalize(crop_ratio = 0)", "out-of-bounds"),
        ("preprocess = normalize(std = [0, 1, 1])", "out-of-bounds"),
        ("preprocess = normalize(mean = 0.5)", "wrong-type"),
        ("preprocess = normalize(mean = [gelu])", "wrong-type"),
        ('preprocess = normalize(interpolation = "cubic")', "unknown-choice"),
        ('preprocess = normalize(fit = "pad")', "unknown-choice"),
        ('preprocess = normalize(fit = "stretch", crop_ratio = 0.9)', "out-of-bounds"),
        ("preprocess = normalize(crop_ratio = 1, crop_ratio = 1)", "duplicate-name"),
        ("preprocess = normalize", "missing-field"),
        ("preprocess = gelu", "wrong-type"),
        ("preprocess = 3", "wrong-type"),
    ],
)
def test_what_is_wrong_is_one_error(line: str, slug: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(_with(line))
    assert [found.slug for found in caught.value.diagnostics] == [slug]


def test_images_that_are_stretched() -> None:
    for line in ('normalize(fit = "stretch")', 'normalize(crop_ratio = 1.0, fit = "stretch")'):
        spec = archdsl.loads(_with(f"preprocess = {line}"))
        found = spec.network.preprocess
        assert found == Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic", 1.0, "stretch")
        assert str(found).startswith("bicubic, stretched to the input, mean")
        assert found.as_json()["fit"] == "stretch"
        assert archdsl.loads(spec.canonical).network.preprocess == found
    assert archdsl.load("@transnext_small_384").network.preprocess == found


@pytest.mark.parametrize(
    ("line", "guilty", "help"),
    [
        ("mean = [123.675, 116.28, 103.53]", "[123.675, 116.28, 103.53]", "over 255 it is `mean = [0.485, 0.456, 0.406]`"),
        ("std = [58.395, 57.12, 57.375]", "[58.395, 57.12, 57.375]", "over 255 it is `std = [0.229, 0.224, 0.225]`"),
        ("mean = [-0.5, 0.5, 0.5]", "[-0.5, 0.5, 0.5]", "so it is positive"),
    ],
)
def test_numbers_for_values_up_to_255_are_warned_of(line: str, guilty: str, help: str) -> None:
    spec = archdsl.loads(_with(f"preprocess = normalize({line})"))
    (found,) = spec.diagnostics
    assert (found.slug, found.severity) == ("preprocess-range", "warning")
    assert found.span is not None and found.span.text == guilty
    assert help in found.help
    assert archdsl.loads(_with("preprocess = normalize(mean = [0, 0, 0], std = [1, 1, 1])")).diagnostics == ()


def test_another_number_of_channels_leaves_it_aside() -> None:
    spec = archdsl.loads(_with("preprocess = normalize()"), set={"input": "1x64x64"})
    assert spec.network.preprocess is None
    assert [found.slug for found in spec.diagnostics] == ["preprocess-mismatch"]
