"""Where a value comes from, hop by hop."""

from __future__ import annotations

import pytest

import archdsl
from tests.ir.support import after, changed

CHAIN = changed("let width = 32", "let base = 16\n  let width = base * 2", "dim = width,  ", "dim = width,")


def story(text: str, path: str, name: str | None = None) -> list[tuple[str, str]]:
    return [(said, span.text) for said, span in archdsl.loads(text, name=name).explain(path)]


def test_a_value_and_its_hops() -> None:
    assert story(CHAIN, "s2.dim") == [
        ("s2.dim is 64, written in s2", "width * 2"),
        ("through `width`", "base * 2"),
        ("through `base`", "16"),
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("width", "width is 32, written in tiny"),
        ("input", "input is 3x64x64, written in tiny"),
        ("s1.channel", "s1.channel is the component `mlp`, written in default"),
        ("default.down", "default.down is `conv(3x3, stride = 2) -> batchnorm`, written in default"),
        ("stem", "stem is a part, written in tiny"),
        ("s1.token", "s1.token is the component `attention`, written in s1"),
    ],
)
def test_places(path: str, said: str) -> None:
    assert story(changed(), path)[0][0] == said


def test_positions() -> None:
    text = changed("default {", "default {\n    first { stride = 2 }", "stage s1 {", "stage s1 { stride = 1,")
    assert story(text, "s1.first.stride") == [("s1.first.stride is 2, written in default.first", "2")]
    assert story(text, "s1.stride") == [("s1.stride is 1, written in s1", "1")]


def test_an_amended_value() -> None:
    text = after("arch wide extends tiny { let width = 48 }")
    assert story(text, "s2.dim", "wide") == [("s2.dim is 96, written in s2", "width * 2"), ("through `width`", "48")]


@pytest.mark.parametrize("path", ["s9.dim", "s1", "s1.dim.x", "widht", "", ".", "s1.tail", "\x1b[31m"])
def test_unknown_paths(path: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(changed()).explain(path)
    assert [d.slug for d in caught.value.diagnostics] == ["unknown-name"]
    assert "\x1b" not in str(caught.value)


def test_long_stages_and_imported_files_are_told_in_short() -> None:
    spec = archdsl.load("@transnext_small_384")
    ((rates, _),) = spec.explain("s3.drop_path")
    assert rates == "s3.drop_path is 0.1944, 0.2139, ..., 0.6028, block by block, by `ramp(0.7)`"
    ((images, _),) = spec.explain("preprocess")
    assert images.startswith("preprocess is bicubic, stretched to the input, mean [0.485, ")
    # what a packaged spec imports is called as the spec is
    (written, hop) = archdsl.load("@moat_0").explain("s3.dim")
    assert [step[1].source.name for step in (written, hop)] == ["@tiny_moat_0", "@moat_0"]
