"""Every family gives the maps of its stages to dense tasks, with the channels and reductions of its paper."""

from __future__ import annotations

import pytest
import torch

import archdsl

# stage, channels, pixels a position stands for along each side
FAMILIES = {
    "biformer_t": [("s1", 64, 4), ("s2", 128, 8), ("s3", 256, 16), ("s4", 512, 32)],
    "davit_tiny": [("s1", 96, 4), ("s2", 192, 8), ("s3", 384, 16), ("s4", 768, 32)],
    "halonet_h0": [("s1", 32, 4), ("s2", 64, 8), ("s3", 128, 16), ("s4", 256, 32)],
    "halonet26t": [("s1", 256, 4), ("s2", 512, 8), ("s3", 1024, 16), ("s4", 2048, 32)],
    "volo_d1": [("s1", 192, 8), ("s2", 384, 16), ("s3", 384, 16), ("s4", 384, 16)],
    "transnext_micro": [("s1", 48, 4), ("s2", 96, 8), ("s3", 192, 16), ("s4", 384, 32)],
    "convit_tiny": [("local", 192, 16), ("global", 192, 16)],
    "overlock_xt": [("base1", 56, 4), ("base2", 112, 8), ("base3", 256, 16), ("focus3", 340, 16), ("focus4", 420, 32)],
    "spartan_t": [("s1", 32, 4), ("s2", 64, 8), ("s3", 128, 16), ("s4", 256, 32)],
    "tiny_moat_0": [("s1", 32, 4), ("s2", 64, 8), ("s3", 128, 16), ("s4", 256, 32)],
    # the last block ends wide, as the head wants it
    "care_s0": [("s1", 32, 4), ("s2", 64, 8), ("s3", 128, 16), ("s4", 1024, 32)],
    "s2aformer": [("s1", 64, 4), ("s2", 128, 8), ("s3", 256, 16), ("s4", 512, 32)],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_maps_are_as_told(name: str) -> None:
    wanted = [stage for stage, _, _ in FAMILIES[name]]
    model = archdsl.build(f"@{name}", features=wanted)
    assert [(info.name, info.channels, info.reduction) for info in model.feature_info] == FAMILIES[name]
    with torch.no_grad():
        found = model(torch.randn(1, *model.image.shape))
    side = model.image.size.height
    assert [tuple(y.shape[1:]) for y in found] == [(c, side // r, side // r) for _, c, r in FAMILIES[name]]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_says_what_is_trained_without_decay(name: str) -> None:
    model = archdsl.build(f"@{name}")
    bare = model.no_weight_decay()
    named = dict(model.named_parameters())
    assert bare <= set(named)
    decayed = {key for key, value in named.items() if value.ndim <= 1} - bare
    # its authors' layer scales have four axes
    assert all(".layer_scale" in key for key in decayed)
    assert bool(decayed) == (name == "spartan_t")
    listed = {key.rpartition(".")[2] if "table" not in key else "table" for key in bare if named[key].ndim > 1}
    assert listed == LISTED.get(name, set())


# beside biases and what has one axis
LISTED = {
    "volo_d1": {"table"},
    "convit_tiny": {"table"},
    "spartan_t": {"gamma"},
    "transnext_micro": {"local_bias", "query_embedding", "temperature", "weight"},
}
