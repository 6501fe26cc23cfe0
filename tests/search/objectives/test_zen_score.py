"""`zen_score` against the network written out, image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from archdsl.search.objectives.objective import Candidate, Unmeasured
from tests.search.objectives.specs import candidate, tiny, value

BATCH = 3
ALPHA = 0.01


def drawn(of: Candidate, *shapes: tuple[int, ...], repeats: int = 1) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Of each repeat the weights in the order of the module, and the images, those that were moved last."""
    generator = of.generator("zen")
    found = []
    for _ in range(repeats):
        weights = [torch.randn(shape, generator=generator).double().numpy() for shape in shapes]
        x, e = (of.images(BATCH, generator).double().numpy() for _ in range(2))
        found.append((weights, np.concatenate([x, x + ALPHA * e])))
    return found


def moved(maps: np.ndarray) -> float:
    lengths = [math.sqrt(float(((two - one) ** 2).sum())) for one, two in zip(maps[:BATCH], maps[BATCH:], strict=True)]
    return math.log(sum(lengths) / BATCH)


def times(weight: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """A 1x1 convolution of [B, C, H, W]."""
    return np.einsum("oi,bihw->bohw", weight.reshape(weight.shape[:2]), maps)


@pytest.mark.parametrize("repeats", [1, 3])
def test_without_norms_it_is_how_far_the_maps_move(repeats: int) -> None:
    of = candidate(tiny("then conv(1x1) -> relu", stem="conv(1x1, out = 6)", dim=4))
    want = 0.0
    for (stem, conv, _), images in drawn(of, (6, 3, 1, 1), (4, 6, 1, 1), (5, 4), repeats=repeats):
        want += moved(np.maximum(times(conv, times(stem, images)), 0)) / repeats
    assert value("zen_score", of, batch=BATCH, repeats=repeats) == pytest.approx(want, rel=1e-4)


def test_a_batch_norm_is_put_back() -> None:
    of = candidate(tiny("then conv(1x1) -> batchnorm -> relu"))
    (((stem, conv, _), images),) = drawn(of, (4, 3, 1, 1), (4, 4, 1, 1), (5, 4))
    y = times(conv, times(stem, images))
    variance = y.var((0, 2, 3)) + 1e-5
    normed = (y - y.mean((0, 2, 3), keepdims=True)) / np.sqrt(variance)[:, None, None]
    want = moved(np.maximum(normed, 0)) + 0.5 * math.log(variance.mean())
    assert value("zen_score", of, batch=BATCH, repeats=1) == pytest.approx(want, rel=1e-4)


def test_a_layer_norm_is_put_back_and_the_residual_is_cut() -> None:
    of = candidate(tiny("residual layernorm(eps = 1e-6) -> channel", more=", channel = mlp(ratio = 2, act = relu)"))
    (((stem, one, two, _), images),) = drawn(of, (4, 3, 1, 1), (8, 4), (4, 8), (5, 4))
    y = times(stem, images)
    variances = [float(y[b, :, row, column].var()) for b in range(2 * BATCH) for row in range(4) for column in range(4)]
    normed = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-6)
    want = moved(times(two, np.maximum(times(one, normed), 0))) + 0.5 * math.log(sum(variances) / len(variances) + 1e-6)
    assert value("zen_score", of, batch=BATCH, repeats=1) == pytest.approx(want, rel=1e-4)


def test_a_group_norm_is_put_back() -> None:
    of = candidate(tiny("then groupnorm(groups = 2)"))
    (((stem, _), images),) = drawn(of, (4, 3, 1, 1), (5, 4))
    y = times(stem, images).reshape(2 * BATCH, 2, -1)
    variances = y.var(2, keepdims=True) + 1e-5
    normed = (y - y.mean(2, keepdims=True)) / np.sqrt(variances)
    want = moved(normed) + 0.5 * math.log(variances.mean())
    assert value("zen_score", of, batch=BATCH, repeats=1) == pytest.approx(want, rel=1e-4)


def test_norms_of_one_channel_change_nothing() -> None:
    # a single scale is divided by and put back; what batch norms shift does not move the difference
    plain, normed = (
        candidate(tiny(f"then conv(3x3, bias = false){norm}", stem=f"conv(1x1, out = 1, bias = false){norm}", dim=1, depth=3))
        for norm in ("", " -> batchnorm")
    )
    settings = {"batch": BATCH, "repeats": 2}
    assert value("zen_score", normed, **settings) == pytest.approx(value("zen_score", plain, **settings), abs=1e-3)


def test_class_attention_keeps_its_links() -> None:
    # the class token alone is updated: the patches go on as they are
    text = tiny(
        "residual layernorm -> class_attention(heads = 2)",
        stem="conv(1x1, out = 4) -> class_token",
        head='select("class") -> linear(classes)',
    )
    assert math.isfinite(value("zen_score", candidate(text), batch=BATCH))


def test_it_grows_with_depth_and_width() -> None:
    layout = "residual conv(3x3) -> batchnorm -> relu"
    small, deep, wide = (
        value("zen_score", candidate(tiny(layout, stem=f"conv(1x1, out = {dim})", dim=dim, depth=depth)), batch=8, repeats=4)
        for dim, depth in ((8, 2), (8, 4), (16, 2))
    )
    assert small < deep
    assert small < wide


def test_maps_that_do_not_move_have_no_score() -> None:
    # too small a step for float32: the images of a pair are the same
    with pytest.raises(Unmeasured, match="do not depend on the image"):
        value("zen_score", candidate(tiny()), alpha=1e-30)


def test_maps_that_are_too_large_have_no_score() -> None:
    # sixty layers without a norm, each times sixteen
    text = tiny("then conv(1x1)", stem="conv(1x1, out = 256)", dim=256, depth=60)
    with pytest.raises(Unmeasured, match="the difference of the maps is"):
        value("zen_score", candidate(text), batch=2, repeats=1)
