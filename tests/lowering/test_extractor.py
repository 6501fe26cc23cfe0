"""Features for dense tasks: the maps of stages, without the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.lowering.extractor import FeatureExtractor

SPEC = "specs/davit_tiny.arch"
SMALL = {"width": 32, "s3.depth": 2}


def test_features_are_what_the_stages_make() -> None:
    whole = archdsl.build(SPEC, set=SMALL, at=64)
    model = archdsl.build(SPEC, set=SMALL, at=64, features=["s2", "s4", "s1"])
    images = torch.randn(2, 3, 64, 64)
    seen = {}
    for name in ("s1", "s2", "s4"):
        whole.stages._modules[name].register_forward_hook(lambda *given, name=name: seen.update({name: given[-1]}))
    with torch.no_grad():
        whole(images)
        found = model(images)
    assert all(torch.equal(a, seen[name]) for a, name in zip(found, ("s2", "s4", "s1"), strict=True))
    assert [(info.name, info.channels, info.reduction) for info in model.feature_info] == [
        ("s2", 64, 8),
        ("s4", 256, 32),
        ("s1", 32, 4),
    ]
    assert [tuple(a.shape[1:]) for a in found] == [(info.channels, *info.size) for info in model.feature_info]


def test_what_no_feature_needs_is_gone_and_names_stay() -> None:
    whole = archdsl.build(SPEC, set=SMALL, at=64)
    model = archdsl.build(SPEC, set=SMALL, at=64, features=["s3"])
    names = set(model.state_dict())
    assert names < set(whole.state_dict())
    assert {name.split(".")[1] for name in names if name.startswith("stages.")} == {"s1", "s2", "s3"}
    assert not any(name.startswith("head") for name in names)
    model.load_state_dict(whole.state_dict(), strict=False)


def test_other_sizes_go_through() -> None:
    model = archdsl.build(SPEC, set=SMALL, at=64, features=["s2", "s3"])
    with torch.no_grad():
        fine, coarse = model(torch.randn(1, 3, 96, 128))
    assert fine.shape[2:] == (12, 16)
    assert coarse.shape[2:] == (6, 8)


def test_weights_are_those_of_the_whole_backbone(tmp_path: Path) -> None:
    whole = archdsl.build(SPEC, set=SMALL, at=64, seed=3)
    model = archdsl.build(SPEC, set=SMALL, at=64, weights=whole, features=["s1"])
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in model.state_dict().items())


TOKENS = """\
arch tokens {
  input   = 3x32x48
  classes = 5

  layout { residual layernorm -> channel }

  default { dim = 16, channel = mlp }

  stem = patch_embed(8x8, out = 16) -> class_token

  stage a { depth = 1 }
  stage b { depth = 1 }
  stage c { depth = 1, tail = select("class") }

  node unread = b -> select("patches") -> conv(3x3, out = 4)
  head main   = linear(classes)
  head aux    = unread -> mean -> linear(classes)
  logits      = main + aux
}
"""


def test_tokens_beside_the_grid_are_left_out() -> None:
    spec = archdsl.loads(TOKENS)
    model = archdsl.build(spec, features=["a", "b"])
    assert isinstance(model, FeatureExtractor)
    images = torch.randn(2, 3, 32, 48)
    first, _ = model(images)
    tokens = model.stages.a(model.stem(images))
    assert torch.equal(first, tokens[..., 1:].reshape(2, 16, 4, 6))
    with pytest.raises(ValueError, match="build it with"):
        model(torch.randn(2, 3, 48, 32))


def test_the_grid_of_tokens_is_that_of_the_input() -> None:
    # no component of it is made for one size, and yet a list of tokens does not say its grid
    text = TOKENS.replace(TOKENS[TOKENS.index("  node") : TOKENS.index("  head aux")], "  head main = linear(classes)\n")
    text = text[: text.index("  head aux")] + "}\n"
    spec = archdsl.loads(text)
    archdsl.build(spec)(torch.randn(2, 3, 48, 32))
    with pytest.raises(ValueError, match="another `input`"):
        archdsl.build(spec, features=["a"])(torch.randn(2, 3, 48, 32))


def test_what_was_cut_off_asks_for_no_size() -> None:
    model = archdsl.build("@volo_d1", features=["s1"])
    with torch.no_grad():
        (fine,) = model(torch.zeros(1, 3, 160, 96))
    assert fine.shape[2:] == (20, 12)
    whole = archdsl.build("@volo_d1", features=["s2"])
    with pytest.raises(ValueError, match="build it with"):
        whole(torch.zeros(1, 3, 160, 96))


def test_nodes_have_maps_too() -> None:
    model = archdsl.build(archdsl.loads(TOKENS), features=["unread"])
    assert [(info.name, info.channels, info.reduction, info.module) for info in model.feature_info] == [
        ("unread", 4, 8, "nodes.unread")
    ]
    assert model(torch.randn(1, 3, 32, 48))[0].shape == (1, 4, 4, 6)


@pytest.mark.parametrize("names", [["d"], ["c"], ["main"], []])
def test_a_stage_that_makes_no_map_is_unknown(names: list[str]) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.build(archdsl.loads(TOKENS), features=names)
    assert [found.slug for found in caught.value.diagnostics] == ["unknown-feature"]


@pytest.mark.parametrize("features", ["s1", 3, [1]])
def test_features_takes_a_list_of_names(features: object) -> None:
    with pytest.raises(TypeError, match="a list of names"):
        archdsl.build(archdsl.loads(TOKENS), features=features)


def test_training_keeps_gradients_and_modes() -> None:
    model = archdsl.build(SPEC, set=SMALL, at=64, features=["s2"]).train()
    model.set_grad_checkpointing()
    (found,) = model(torch.randn(2, 3, 64, 64))
    found.square().mean().backward()
    assert all(weight.grad is not None for weight in model.parameters())
    compiled = torch.compile(model.eval(), fullgraph=True, backend="eager")
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(compiled(images), model(images))


@pytest.mark.parametrize("others", ["", "  head more = s2 -> mean -> linear(classes)\n  logits = more\n"])
def test_a_stage_that_reads_a_head_keeps_it(others: str) -> None:
    text = f"""\
arch back {{
  input   = 3x16x16
  classes = 4

  layout {{ residual conv(3x3) }}

  stem = conv(4x4, out = 8, stride = 4)

  stage s1 {{ dim = 8, depth = 1 }}

  head out = s1 -> conv(1x1, out = classes)

  stage s2 {{ dim = 4, depth = 1, from = out }}

{others}}}
"""
    whole = archdsl.build(archdsl.loads(text))
    model = archdsl.build(archdsl.loads(text), features=["s2"])
    (found,) = model(torch.randn(2, 3, 16, 16))
    assert found.shape == (2, 4, 4, 4)
    assert {key for key in whole.state_dict() if "more" not in key} == set(model.state_dict())
