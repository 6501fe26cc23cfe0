"""Tokens mixed between images as VOLO's training does it."""

from __future__ import annotations

import pytest
import torch

import archdsl
from archdsl.lowering.module import Backbone
from archdsl.training import Box, draw_box, mix_tokens

SMALL = {"s1.depth": 1, "s2.depth": 1, "s3.depth": 1, "s4.depth": 1, "drop_path": 0}


def _volo() -> Backbone:
    return archdsl.build("@volo_d1", at=(64, 96), classes=5, set=SMALL, seed=2)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_boxes_lie_in_the_grid_and_are_as_large_as_drawn() -> None:
    generator = _seeded(0)
    shares = []
    for _ in range(2000):
        box = draw_box((14, 10), generator=generator)
        assert 0 <= box.top <= box.bottom <= 14
        assert 0 <= box.left <= box.right <= 10
        shares.append(box.area / 140)
    # half the area before a border cuts it off, and an odd side loses a position
    assert 0.2 < sum(shares) / len(shares) < 0.4
    assert draw_box((14, 10), generator=_seeded(3)) == draw_box((14, 10), generator=_seeded(3))


def test_a_box_of_the_stem_is_exchanged_and_the_patches_are_put_back() -> None:
    model = _volo().train()
    images = torch.randn(4, 3, 64, 96)
    seen = {}
    model.stages.s1.register_forward_pre_hook(lambda module, given: seen.update(x=given[0]))
    plain = model.stem(images)
    mixed = mix_tokens(model, images, generator=_seeded(5))
    box = mixed.box
    assert box.area > 0
    expected = plain.clone()
    rows, columns = slice(2 * box.top, 2 * box.bottom), slice(2 * box.left, 2 * box.right)
    expected[:, :, rows, columns] = plain.flip(0)[:, :, rows, columns]
    torch.testing.assert_close(seen["x"], expected)
    assert mixed.own == pytest.approx(1 - box.area / (4 * 6))
    assert mixed.outputs["aux"].shape == (4, 5, 4, 6)
    assert mixed.outputs["main"].shape == (4, 5)


def test_each_patch_is_predicted_from_its_own_image() -> None:
    # nothing mixes positions here, so the patches put back are those without any exchange
    text = """\
arch apart {
  input = 3x16x24
  classes = 3
  layout { residual layernorm -> channel }
  stem = conv(2x2, out = 8, stride = 2)
  stage s1 { dim = 8, depth = 1, channel = mlp, tail = conv(2x2, stride = 2) }
  head main = mean -> linear(classes)
  head aux  = linear(classes)
  logits    = main + 0.5 * (aux -> maxpool)
}
"""
    model = archdsl.build(archdsl.loads(text)).train()
    images = torch.randn(5, 3, 16, 24)
    mixed = mix_tokens(model, images, generator=_seeded(1))
    assert mixed.box.area > 0
    direct = model(images)
    torch.testing.assert_close(mixed.outputs["aux"], direct["aux"])
    assert not torch.equal(mixed.outputs["main"], direct["main"])


def test_the_hook_is_gone_afterwards_also_after_an_error() -> None:
    model = _volo().train()
    with pytest.raises(ValueError, match="takes a batch of images"):
        mix_tokens(model, torch.randn(3, 64, 96))
    mix_tokens(model, torch.randn(2, 3, 64, 96))
    assert not model.stem._forward_hooks


def test_what_cannot_be_mixed_is_refused() -> None:
    model = _volo()
    with pytest.raises(ValueError, match="in training"):
        mix_tokens(model, torch.randn(2, 3, 64, 96))
    with pytest.raises(ValueError, match="head `patches`"):
        mix_tokens(model.train(), torch.randn(2, 3, 64, 96), patches="patches")
    with pytest.raises(ValueError, match="makes"):
        mix_tokens(archdsl.build("@care_s0", at=64).train(), torch.randn(2, 3, 64, 64), patches="distill")


def test_a_box_on_a_finer_grid() -> None:
    assert Box(1, 2, 3, 5).times(2) == Box(2, 4, 6, 10)
    assert Box(1, 2, 3, 5).area == 6
