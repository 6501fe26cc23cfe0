"""The stem as a value that others read by its name."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import archdsl
from archdsl.report.parts import text as text_of
from tests.ir.support import changed, diagnostics, stage, told, within

TEXT = changed(
    "stage s2 { dim =",
    "stage s2 { from = s1 + stem, dim =",
    "head = mean",
    "node fine = concat(s2 -> resize(stem), stem)\n  head = fine -> mean",
)


def test_it_is_computed_once_and_read_where_it_is_named() -> None:
    spec = archdsl.loads(TEXT)
    assert spec.network.reads["fine"] == "s2" and spec.network.values["fine"].y.channels == 96
    assert archdsl.count(spec).comparison.equal
    model = archdsl.build(spec)
    assert not [name for name in model.state_dict() if name.startswith(("stages.s2.from", "nodes"))]
    images = torch.randn(2, 3, 64, 64)
    stem = model.stem(images)
    s1 = model.stages.s1(stem, {})
    s2 = model.stages.s2(s1, {"": stem, "s1": s1})
    fine = torch.cat([F.interpolate(s2, size=(16, 16), mode="bilinear"), stem], 1)
    expected = model.head(fine, {"fine": fine})
    torch.testing.assert_close(model(images), expected)


def test_what_reads_the_stem_alone() -> None:
    spec = archdsl.loads(within("node early = stem -> gelu\n  stage s3 { from = stem, depth = 1, dim = 32, token = mixer }"))
    assert spec.network.reads["early"] == spec.network.reads["s3"] == ""
    maps = archdsl.build(spec, features=["early", "s2"])(torch.randn(1, 3, 64, 64))
    assert [tuple(found.shape) for found in maps] == [(1, 32, 16, 16), (1, 64, 8, 8)]


def test_heads_read_it_in_training_too() -> None:
    text = changed(
        "head = mean -> layernorm -> linear(classes)",
        "head main = mean -> linear(classes)\n  head aux = stem -> mean -> linear(classes)\n  logits = main + aux",
    )
    model = archdsl.build(archdsl.loads(text))
    images = torch.randn(2, 3, 64, 64)
    heads = model.train()(images)
    assert sorted(heads) == ["aux", "main"] and heads["aux"].shape == (2, 10)
    assert model.eval()(images).shape == (2, 10)
    assert model.forward_head(model.forward_features(images)).shape == (2, 10)


def test_it_is_written_out_and_shown() -> None:
    spec = archdsl.loads(TEXT)
    assert archdsl.loads(spec.canonical).hash == spec.hash
    source = stage(spec.network, "s2").source
    assert source is not None and text_of(source) == "s1 + stem"


@pytest.mark.parametrize(
    ("text", "slug", "help"),
    [
        (changed("stem = ", "stem = stem -> "), "graph-cycle", "what reads several values"),
        (changed("head = mean", "logits = x + stem\n  head x = mean"), "no-logits", "read the stem in a head"),
        (
            changed("stem = conv(4x4, out = width, stride = 4) -> batchnorm", "", "head = mean", "head = stem"),
            "unknown-name",
            "",
        ),
        (within("node a = concat(stem, s2)"), "sum-mismatch", "`s2 -> resize(stem)`"),
    ],
)
def test_what_cannot_be_said_of_it(text: str, slug: str, help: str) -> None:
    found = [each for each in diagnostics(text) if each.slug == slug]
    assert found and help in found[0].help


def test_a_name_of_ones_own_comes_before_it() -> None:
    assert (
        told(changed("stage s2 {", "stage stem { from = s1, down = none, dim = 32, depth = 1, token = mixer }\n  stage s2 {"))
        == []
    )
