"""OverLoCK: drop rates, sizes, heads, both published layouts both ways, and training, beside what every spec has to show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.fuse import fused
from archdsl.ir.network import buffers, weights
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.level import Block
from archdsl.lowering.module import Backbone
from archdsl.lowering.weights import official_state as official_layout
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

ROOT = Path(__file__).resolve().parents[2]
KEYS = Path("specs/overlock_xt.keys.yaml")


def _small(seed: int = 0) -> Backbone:
    return build_module(api.load("@overlock_xt", at=(64, 64)).network, seed=seed)


@pytest.mark.parametrize(
    ("spec", "depths", "rate"),
    [
        ("overlock_xt", (2, 2, 3, 2, 6, 2), 0.1),
        ("overlock_t", (4, 4, 6, 2, 12, 2), 0.15),
        ("overlock_s", (6, 6, 8, 3, 16, 3), 0.4),
        ("overlock_b", (8, 8, 10, 4, 20, 4), 0.5),
    ],
)
def test_drop_rates_rise_over_the_base_the_overview_and_the_focus_net(spec: str, depths: tuple[int, ...], rate: float) -> None:
    network = api.load(f"@{spec}").network
    assert network.stages == ("base1", "base2", "base3", "overview", "focus3", "focus4")
    rates = [network.values[name].drop_rates for name in network.stages]
    assert tuple(map(len, rates)) == depths
    torch.testing.assert_close(torch.tensor([rate for stage in rates for rate in stage]), torch.linspace(0, rate, sum(depths)))


@pytest.mark.parametrize(
    # maps are rounded up from the first stage on; at 192x256 and below the focus net enlarges its maps
    ("at", "last", "fuse"),
    [
        ((32, 32), (1, 1), False),
        pytest.param((33, 64), (2, 2), True, marks=pytest.mark.slow),
        pytest.param((160, 97), (5, 4), False, marks=pytest.mark.slow),
        pytest.param((192, 256), (6, 8), True, marks=pytest.mark.slow),
    ],
)
def test_any_size_is_built_and_counted(at: tuple[int, int], last: tuple[int, int], fuse: bool) -> None:
    counted = archdsl.count(ROOT / "specs/overlock_xt.arch", at=at, fuse=fuse)
    assert counted.comparison.equal, counted.comparison.differing
    assert counted.params == (16_791_384 if fuse else 17_307_272)
    assert api.load("@overlock_xt", at=at).network.values["focus4"].y.size == last


def test_heads_that_do_not_divide_the_features_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        api.load("@overlock_xt", set={"e3": 248})
    (found,) = caught.value.diagnostics
    assert "divisible by four times `heads`" in found.message
    assert "248 channels are features here" in (found.label or "")


def test_the_head_of_training_comes_back_in_training_alone() -> None:
    module = _small()
    images = torch.randn(2, 3, 64, 64)
    outputs = module.train()(images)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {"main": (2, 1000), "aux": (2, 1000)}
    with torch.no_grad():
        logits = module.eval()(images)
        for weight in module.head.get_submodule("aux").parameters():
            weight.zero_()
        assert torch.equal(module(images), logits)


def test_a_scale_stands_on_the_skip_path() -> None:
    module = _small(seed=2)
    block = module.stages.get_submodule("overview.1")
    assert isinstance(block, Block)
    block.drop_rate = 1.0
    scale = block.get_submodule("skip.rescale")
    x = torch.randn(2, 336, 2, 2)
    with torch.no_grad():
        scale.weight.normal_()
        scale.bias.normal_()
        y = x + block.get_submodule("dwconv")(x)
        torch.testing.assert_close(block.train()(x), y * scale.weight.reshape(-1, 1, 1) + scale.bias.reshape(-1, 1, 1))
    # stages of the base net before the third have none, and the first focus block has a fresh context
    names = module.state_dict().keys()
    assert not any(name.startswith(("stages.base1.0.skip", "stages.base2.0.skip", "stages.focus3.0.refresh")) for name in names)
    assert {"stages.base3.0.skip.rescale.weight", "stages.focus3.1.refresh.affine_2.bias"} < names
    assert "stages.focus4.0.refresh.affine.weight" in names


@pytest.mark.parametrize("name", ["overlock_xt", "overlock_xt_reparam"])
def test_both_published_layouts_come_back_to_the_last_bit(name: str) -> None:
    published = golden(name)
    state = official_state(published)
    network = api.load("@overlock_xt", at=(64, 64), fuse=published.get("fuse", False)).network
    module = build_module(network, weights=state, keymap=KEYS)
    found = official_layout(module.state_dict(), read_keymap(KEYS))
    assert {key: list(tensor.shape) for key, tensor in found.items()} == {key: shape for key, shape, _ in published["keys"]}
    assert all(torch.equal(tensor, state[key]) for key, tensor in found.items())


def test_a_published_checkpoint_of_training_folds_into_the_published_deploy_form() -> None:
    published = golden("overlock_xt")
    network = api.load("@overlock_xt", at=(192, 256)).network
    module = build_module(network, weights=official_state(published), keymap=KEYS)
    folded = build_module(fused(network), weights=official_state(published), keymap=KEYS)
    assert set(official_layout(folded.state_dict(), KEYS)) == {key for key, _, _ in golden("overlock_xt_reparam")["keys"]}
    images = torch.randn(1, 3, 192, 256)
    with torch.no_grad():
        logits = module(images)
        assert (folded(images) - logits).abs().max() < 1e-5 * logits.std()


@pytest.mark.parametrize("spec", ["overlock_t", "overlock_s", "overlock_b"])
@pytest.mark.parametrize("fuse", [False, True])
def test_the_key_map_fits_every_size(spec: str, fuse: bool) -> None:
    network = api.load(f"@{spec}", fuse=fuse).network
    own = {**weights(network), **buffers(network)}
    assert len({entry.official for entry in read_keymap(KEYS).entries(own)}) == len(own)


def test_starts_as_published() -> None:
    for name, weight in _small(seed=4).named_parameters():
        word = name.rpartition(".")[2]
        if word in ("bias", "beta", "gamma", "small_bias", "large_bias"):
            assert not weight.any(), name
        elif weight.squeeze().dim() < 2:
            assert torch.equal(weight, torch.ones_like(weight)), name
        elif weight.numel() > 10_000:
            assert weight.std().item() == pytest.approx(0.02, rel=0.05), name


def test_every_weight_learns() -> None:
    assert lost_weights(_small(seed=4), torch.randn(2, 3, 64, 64)) == []


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    # further blocks of a stage are traced as these are, and for minutes
    depths = {"base1": 1, "base2": 1, "base3": 1, "overview": 1, "focus3": 2, "focus4": 1}
    network = api.load("@overlock_xt", at=(64, 64), set={f"{stage}.depth": depth for stage, depth in depths.items()}).network
    assert graphs_of_steps(build_module(network, seed=4), (64, 64)) <= 2
