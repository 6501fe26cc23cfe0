"""CARE: two heads, the wide last block, drop rates, sizes, the published layout both ways, and training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.network import buffers, weights
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone
from archdsl.lowering.weights import official_state as official_layout
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

SPEC = Path(__file__).resolve().parents[2] / "specs/care_s0.arch"
KEYS = Path("specs/care_s0.keys.yaml")


def _small(seed: int = 4) -> Backbone:
    return build_module(api.load("@care_s0", at=(64, 64)).network, seed=seed)


@pytest.mark.parametrize(("spec", "blocks"), [("care_s0", 18), ("care_s1", 25), ("care_s2", 25)])
def test_drop_rates_rise_evenly_to_the_published_one(spec: str, blocks: int) -> None:
    network = api.load(f"@{spec}").network
    rates = [rate for name in network.stages for rate in network.values[name].drop_rates]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, 0.1, blocks))


def test_training_returns_both_heads_and_evaluation_their_mean() -> None:
    module = _small()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = module.forward_features(images)
        main, distill = (module.head.get_submodule(name)(features) for name in ("main", "distill"))
        assert not torch.equal(main, distill)
        torch.testing.assert_close(module(images), (main + distill) / 2, rtol=0, atol=0)
    outputs = module.train()(images)
    assert list(outputs) == ["main", "distill"]
    assert all(output.shape == (2, 1000) for output in outputs.values())


def test_each_head_learns_by_itself() -> None:
    module = _small().train()
    module(torch.randn(2, 3, 64, 64))["distill"].square().mean().backward()
    without = {name for name, weight in module.named_parameters() if weight.grad is None}
    assert without == {f"head.main.{part}.{name}" for part in ("layernorm", "linear") for name in ("weight", "bias")}


def test_memory_passes_the_token_mixer_untouched() -> None:
    module = _small()
    for stage, channels in (("s1", 32), ("s3", 128)):
        x = torch.randn(2, channels, 5, 6)
        with torch.no_grad():
            y = module.stages.get_submodule(f"{stage}.0.token")(x)
        memory, others = torch.split(y, [channels // 4, channels - channels // 4], dim=1)
        assert torch.equal(memory, x[:, : channels // 4])
        assert (others - x[:, channels // 4 :]).abs().amax((0, 2, 3)).gt(0).all()


def test_the_last_block_ends_wide_without_a_skip() -> None:
    module = _small()
    last = module.stages.get_submodule("s4.3")
    assert not any("layer_scale" in name for name, _ in last.named_parameters())
    assert module.feature_info[-1].channels == 1024
    x = torch.zeros(2, 256, 2, 2)
    with torch.no_grad():
        assert last(x).shape == (2, 1024, 2, 2)
        for weight in last.parameters():
            weight.zero_()
        assert not last(torch.randn_like(x)).any()


def test_the_last_block_is_dropped_with_the_highest_rate() -> None:
    module = _small()
    last = module.stages.get_submodule("s4.3").train()
    torch.manual_seed(3)
    with torch.no_grad():
        y = last(torch.randn(2000, 256, 1, 1))
    dropped = (y == 0).flatten(1).all(1).float().mean().item()
    assert dropped == pytest.approx(0.1, abs=0.02)


def test_branches_start_at_a_millionth() -> None:
    scales = [weight for name, weight in _small().named_parameters() if "layer_scale" in name]
    assert len(scales) == 17
    assert all((weight == 1e-6).all() for weight in scales)


def test_scales_of_branches_are_not_decayed() -> None:
    module = _small()
    assert {name for name, _ in module.named_parameters() if "layer_scale" in name} < module.no_weight_decay()


def test_convolutions_start_at_a_fiftieth() -> None:
    state = _small().state_dict()
    for name in ("stem.conv", "stages.s4.down.conv", "stages.s4.0.channel.among.widen.conv", "stages.s4.0.token.dwconv_2"):
        assert state[f"{name}.weight"].std().item() == pytest.approx(0.02, rel=0.05)
        assert not state[f"{name}.bias"].any()


@pytest.mark.parametrize(("at", "last"), [((192, 256), (6, 8)), ((100, 131), (3, 4)), ((64, 32), (2, 1))])
def test_any_size_is_built_and_counted(at: tuple[int, int], last: tuple[int, int]) -> None:
    counted = archdsl.count(SPEC, at=at)
    assert counted.comparison.equal, counted.comparison.differing
    assert api.load("@care_s0", at=at).network.values["s4"].y.size == last


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        api.load("@care_s0", at=(31, 64))
    (found,) = caught.value.diagnostics
    assert (found.slug, found.message) == ("field-mismatch", "the kernel must fit into the padded map")
    assert "use a larger input" in (found.help or "")


def test_the_published_layout_comes_back_to_the_last_bit() -> None:
    published = golden("care_s0")
    state = official_state(published)
    module = build_module(api.load("@care_s0", at=(64, 64)).network, weights=state, keymap=KEYS)
    found = official_layout(module.state_dict(), read_keymap(KEYS))
    assert {name: list(tensor.shape) for name, tensor in found.items()} == {name: shape for name, shape, _ in published["keys"]}
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


@pytest.mark.parametrize("spec", ["care_s1", "care_s2"])
def test_the_key_map_fits_every_size(spec: str) -> None:
    network = api.load(f"@{spec}").network
    own = {**weights(network), **buffers(network)}
    assert len({entry.official for entry in read_keymap(KEYS).entries(own)}) == len(own)


def test_every_weight_learns() -> None:
    assert lost_weights(_small(), torch.randn(4, 3, 64, 64)) == []


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    assert graphs_of_steps(_small(), (64, 64)) <= 2
