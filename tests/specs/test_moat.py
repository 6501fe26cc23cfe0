"""MOAT: drop rates, sizes, the published layout both ways, and training, beside what every spec has to show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.network import buffers, network_leaves, weights
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.level import Block
from archdsl.lowering.module import Backbone, lower
from archdsl.lowering.weights import load_weights
from archdsl.lowering.weights import official_state as official_layout
from archdsl.schema.units import Size
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

ROOT = Path(__file__).resolve().parents[2]
KEYS = Path("specs/tiny_moat_0.keys.yaml")


def _tiny(at: tuple[int, int], seed: int = 0) -> Backbone:
    return build_module(api.load("@tiny_moat_0", at=at).network, seed=seed)


@pytest.mark.parametrize(
    ("spec", "blocks", "rate"),
    [
        ("tiny_moat_0", 14, 0.0),
        ("tiny_moat_3", 14, 0.1),
        ("moat_0", 14, 0.2),
        ("moat_1", 24, 0.3),
        ("moat_2", 24, 0.3),
        ("moat_3", 44, 0.6),
        ("moat_4", 44, 0.7),
    ],
)
def test_drop_rates_rise_evenly_and_never_reach_the_published_one(spec: str, blocks: int, rate: float) -> None:
    network = api.load(f"@{spec}").network
    rates = [rate for name in network.stages for rate in network.values[name].drop_rates]
    torch.testing.assert_close(torch.tensor(rates), torch.arange(blocks) * rate / blocks)


def test_both_branches_of_a_block_are_dropped() -> None:
    module = lower(api.load("@tiny_moat_3", at=(64, 64)).network)
    block = module.stages.get_submodule("s3.1")
    assert isinstance(block, Block)
    block.drop_rate = 1.0
    x = torch.randn(2, 320, 4, 4)
    assert torch.equal(block.train()(x), x)


@pytest.mark.parametrize(
    # odd sizes are rounded up, and what is padded differs with them
    ("at", "last"),
    [((224, 224), (7, 7)), ((160, 288), (5, 9)), ((97, 131), (4, 5)), ((33, 64), (2, 2))],
)
def test_any_size_is_built_and_counted(at: tuple[int, int], last: tuple[int, int]) -> None:
    counted = archdsl.count(ROOT / "specs/tiny_moat_0.arch", at=at)
    assert counted.comparison.equal, counted.comparison.differing
    assert counted.params == 3_355_348
    assert api.load("@tiny_moat_0", at=at).network.values["s4"].y.size == last


def test_weights_of_one_size_serve_another() -> None:
    state = official_state(golden("tiny_moat_0"))
    small, large = (_tiny(at) for at in ((96, 64), (160, 96)))
    for module in (small, large):
        assert load_weights(module, state, KEYS) == "official"
    x = torch.randn(1, 3, 160, 96)
    with torch.no_grad():
        torch.testing.assert_close(small.eval()(x), large.eval()(x))


def test_the_pool_of_dense_tasks_is_one_word() -> None:
    given, found = (api.load("@tiny_moat_0", at=(64, 64), set=change).network for change in ({}, {"pool": "3x3"}))
    pools = [leaf.leaf for key, leaf in network_leaves(found) if key.endswith("avgpool")]
    assert [getattr(pool, "kernel", None) for pool in pools] == [Size(3, 3)] * 4
    assert weights(given) == weights(found)


def test_windows_as_large_as_the_maps_change_nothing() -> None:
    whole = _tiny((224, 224), seed=3).eval()
    windows = build_module(api.load("@tiny_moat_0_win", at=(224, 224)).network, seed=3).eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(whole(x), windows(x))


def test_maps_that_windows_do_not_divide_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        _ = api.load("@tiny_moat_0_win", at=(480, 480)).network
    (found,) = caught.value.diagnostics
    assert found.slug == "shape-mismatch"
    assert "divisible by its 14x14 window" in found.message
    assert "30x30" in (found.label or "")
    assert "448x448" in (found.help or "")


def test_the_published_layout_comes_back_to_the_last_bit() -> None:
    published = golden("tiny_moat_0")
    state = official_state(published)
    module = build_module(api.load("@tiny_moat_0", at=(64, 64)).network, weights=state, keymap=KEYS)
    found = official_layout(module.state_dict(), read_keymap(KEYS))
    assert {name: list(tensor.shape) for name, tensor in found.items()} == {name: shape for name, shape, _ in published["keys"]}
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


@pytest.mark.parametrize("spec", ["moat_1", "moat_2", "moat_3", "moat_4", "tiny_moat_2", "tiny_moat_3", "tiny_moat_0_win"])
def test_the_key_map_fits_every_size(spec: str) -> None:
    network = api.load(f"@{spec}").network
    own = {**weights(network), **buffers(network)}
    entries = read_keymap(KEYS).entries(own)
    # a qkv is three official tensors
    pieces = 2 * sum(".qkv." in name for name in own)
    assert len({entry.official for entry in entries}) == len(own) + pieces


def test_every_weight_learns() -> None:
    assert lost_weights(_tiny((64, 96), seed=4), torch.randn(2, 3, 64, 96)) == []


def test_attention_starts_as_published() -> None:
    module = _tiny((64, 64), seed=4)
    attention = module.stages.get_submodule("s3.1.token")
    assert attention.relative_bias.std().item() == pytest.approx(0.02, rel=0.05)
    assert attention.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    assert graphs_of_steps(_tiny((64, 64), seed=4), (64, 64)) <= 2
