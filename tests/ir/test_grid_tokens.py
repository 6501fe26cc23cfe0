"""Tokens beside the grid, and `resize`, in whole networks."""

from __future__ import annotations

import pytest
import torch

import archdsl
from archdsl.schema.units import FeatureMap, Size, Tokens

TEXT = """\
arch tokens {
  input   = 3x32x48
  classes = 5

  layout {
    residual select("class")   -> layernorm -> channel
    residual select("patches") -> dwconv(3x3)
    residual layernorm
  }

  stem = patch_embed(8x8, out = 16) -> class_token -> position_table -> registers(4)

  stage only { dim = 16, depth = 2, channel = mlp(ratio = 2) }

  node grid   = only -> select("patches")
  node coarse = grid -> conv(3x3, out = 8, stride = 2)

  head main = select("class") -> linear(classes)
  head aux  = concat(grid, coarse -> resize(grid)) -> linear(classes)
  logits    = main + 0.5 * (aux -> maxpool)
}
"""


def test_the_map_says_which_tokens_it_has() -> None:
    stage = archdsl.loads(TEXT).network.values["only"]
    assert stage.y == FeatureMap(16, Size(4, 6), (Tokens("class", 1), Tokens("registers", 4)))
    assert str(stage.y) == "16x4x6 + class + 4 registers"
    assert stage.y.shape == (16, 29)


def test_branches_update_their_tokens_and_the_others_pass() -> None:
    model = archdsl.build(archdsl.loads(TEXT), seed=1)
    block = model.stages.only._modules["0"].double()
    x = torch.randn(2, 16, 29, dtype=torch.float64)
    expected = x.clone()
    expected[..., 0] += block.channel(block.layernorm(x[..., 0]))
    expected[..., 5:] += block.dwconv(x[..., 5:].reshape(2, 16, 4, 6)).flatten(2)
    expected = expected + block.layernorm_2(expected)
    torch.testing.assert_close(block(x), expected)


def test_counts_agree_with_fvcore_and_training_returns_both_heads() -> None:
    spec = archdsl.loads(TEXT)
    counted = archdsl.count(spec)
    assert counted.comparison.equal
    model = archdsl.build(spec)
    images = torch.randn(3, 3, 32, 48)
    assert model(images).shape == (3, 5)
    out = model.train()(images)
    assert {name: tuple(tensor.shape) for name, tensor in out.items()} == {"main": (3, 5), "aux": (3, 5, 4, 6)}


def test_resize_interpolates_as_torch_does() -> None:
    model = archdsl.build(archdsl.loads(TEXT))
    images = torch.randn(1, 3, 32, 48)
    only = model.stages.only(model.stem(images))
    grid = model.nodes.grid(only, {"only": only})
    coarse = model.nodes.coarse(grid, {"grid": grid})
    wide = torch.nn.functional.interpolate(coarse, size=(4, 6), mode="bilinear")
    joined = torch.cat([grid, wide], 1)
    torch.testing.assert_close(model.head.aux.linear(joined), model.train()(images)["aux"], atol=1e-5, rtol=1e-5)


def test_a_module_with_a_table_takes_its_own_images_only() -> None:
    model = archdsl.build(archdsl.loads(TEXT))
    with pytest.raises(ValueError, match="build it with"):
        model(torch.randn(1, 3, 48, 32))
    archdsl.build(archdsl.loads(TEXT), at=(48, 32))(torch.randn(1, 3, 48, 32))


@pytest.mark.parametrize(
    "old, new, slug",
    [
        ("residual layernorm\n", "residual layernorm -> conv(1x1)\n", "shape-mismatch"),
        ("residual layernorm\n", 'residual select("class") -> linear(8)\n', "skip-shape"),
        ('head main = select("class")', "head main = avgpool", "shape-mismatch"),
        ("resize(grid)", "resize(only)", "shape-mismatch"),
        ("resize(grid)", "resize(gelu)", "wrong-type"),
        ("resize(grid)", "resize()", "missing-field"),
        ('only -> select("patches")', 'only -> select("patches") -> resize(coarse)', "graph-cycle"),
        ("-> registers(4)", "-> class_token", "field-mismatch"),
    ],
)
def test_what_does_not_fit_is_one_error(old: str, new: str, slug: str) -> None:
    assert old in TEXT
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(TEXT.replace(old, new, 1))
    assert [found.slug for found in caught.value.diagnostics] == [slug]


_ALL = 'head main = select("class") -> linear(classes)', "logits    = main + 0.5 * (aux -> maxpool)"


@pytest.mark.parametrize(
    ("head", "slug", "help"),
    [
        ("layernorm", "unpooled-logits", 'begin the head with `select("class")` or `select("patches") -> mean`'),
        ('select("registers")', "unpooled-logits", "begin the head with `mean`"),
        ('select("registers") -> avgpool', "shape-mismatch", "pool the tokens with `mean`"),
        ('select("class") -> avgpool', "shape-mismatch", "leave it out: one token is like a pooled map"),
        ("avgpool", "shape-mismatch", 'write `select("patches")` before it'),
    ],
)
def test_what_pools_tokens_is_told(head: str, slug: str, help: str) -> None:
    text = TEXT.replace(_ALL[0], f"head main = {head} -> linear(classes)").replace(_ALL[1], "logits = main")
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(text)
    (found,) = (found for found in caught.value.diagnostics if found.severity == "error")
    assert found.slug == slug and help in found.help


@pytest.mark.parametrize(
    "head", ["mean", 'select("registers") -> mean', 'select("class") -> mean', 'select("patches") -> mean']
)
def test_mean_makes_a_vector_of_all_of_them(head: str) -> None:
    spec = archdsl.loads(TEXT.replace(_ALL[0], f"head main = {head} -> linear(classes)"))
    assert archdsl.count(spec).comparison.equal
    assert archdsl.build(spec)(torch.randn(3, 3, 32, 48)).shape == (3, 5)


def test_it_goes_through_text_and_yaml() -> None:
    spec = archdsl.loads(TEXT)
    assert archdsl.loads(spec.canonical).hash == spec.hash
