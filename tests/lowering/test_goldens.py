"""Published checkpoints, drawn anew, give the published logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archdsl import api
from archdsl.building import keymap_of
from archdsl.lowering.build import build_module
from archdsl.lowering.weights import load_weights, save_weights
from archdsl.testing.golden import assert_golden, distance, golden, golden_images, official_state

FILES = sorted((Path(__file__).resolve().parents[1] / "golden").glob("*.json"))
# small models at small images take a second or two; the others belong to the slow suite
SMALL = 30_000_000, 300 * 300


def _cases() -> list[object]:
    cases = []
    for path in FILES:
        published = golden(path.stem)
        _, _, height, width = published["input_shape"]
        quick = published["params"] <= SMALL[0] and height * width <= SMALL[1]
        cases.append(pytest.param(path.stem, marks=() if quick else pytest.mark.slow, id=path.stem))
    return cases


@pytest.mark.parametrize("name", _cases())
def test_published_logits_and_the_same_bits_after_saving(name: str, tmp_path: Path) -> None:
    published = golden(name)
    height, width = published["input_shape"][2:]
    spec = api.load(f"specs/{published['spec']}.arch", at=(height, width), fuse=published.get("fuse", False))
    network = spec.network
    module = build_module(network, weights=official_state(published), keymap=keymap_of(spec))
    assert sum(weight.numel() for weight in module.parameters()) == published["params"]
    images = golden_images(published)
    with torch.no_grad():
        logits = module(images)
    assert_golden(published, logits)

    save_weights(module, tmp_path / "weights.safetensors")
    again = build_module(network, seed=1)
    assert load_weights(again, tmp_path / "weights.safetensors") == "own"
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in module.state_dict().items())
    with torch.no_grad():
        assert torch.equal(again(images), logits)


@pytest.mark.parametrize("at", [0, 5])
def test_logits_that_are_no_numbers_are_far_from_every_golden(at: int) -> None:
    # the first two are held one by one, the others by the norm alone
    logits = torch.arange(6.0)[None]
    stored = {"model": "small", "logits_head": [[0.0, 1.0]], "logits_std": 1.0, "logits_l2": float(logits.norm())}
    stored["tolerance"] = 1e-5
    assert distance(stored, logits) < 1e-6
    logits[0, at] = torch.nan
    assert not distance(stored, logits) <= 1
    with pytest.raises(AssertionError, match="not finite"):
        assert_golden(stored, logits)
