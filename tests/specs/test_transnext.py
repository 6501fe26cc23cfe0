"""TransNeXt: sizes, what distances are measured on, the published layout both ways, and training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.network import Network, weights
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone
from archdsl.lowering.weights import official_state as official_layout
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import assert_golden, golden, golden_images, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted(path.stem for path in ROOT.glob("specs/transnext*.arch"))
# as many kinds of blocks, and fewer of each
SHALLOW = {"s1.depth": 1, "s2.depth": 1, "s3.depth": 1, "s4.depth": 1}


def _network(name: str, at: tuple[int, int] | None = None) -> Network:
    return api.load(f"@{name}", at=at).network


def _shallow(at: tuple[int, int]) -> Backbone:
    return build_module(api.load("@transnext_micro", at=at, set=SHALLOW).network, seed=4)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("transnext_micro", 0.15),
        ("transnext_micro_aaaa", 0.15),
        ("transnext_tiny", 0.25),
        ("transnext_small", 0.45),
        ("transnext_small_384", 0.7),
        ("transnext_base", 0.6),
        ("transnext_base_384", 0.8),
    ],
)
def test_drop_rates_rise_evenly_to_the_published_one(name: str, rate: float) -> None:
    network = _network(name)
    rates = [rate for stage in network.stages for rate in network.values[stage].drop_rates]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, rate, len(rates)))


@pytest.mark.parametrize(("at", "last"), [((192, 256), (6, 8)), ((250, 190), (8, 6)), ((33, 64), (2, 2))])
def test_any_size_is_built_and_counted(at: tuple[int, int], last: tuple[int, int]) -> None:
    counted = archdsl.count(ROOT / "specs/transnext_micro.arch", at=at, set=SHALLOW)
    assert counted.comparison.equal, counted.comparison.differing
    assert _network("transnext_micro", at).values["s4"].y.size == last


def test_a_size_that_leaves_nothing_to_pool_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        _network("transnext_micro", (224, 24))
    (found,) = caught.value.diagnostics
    assert found.message == "`reduction` must leave something of the map"
    assert "56x6" in (found.label or "")
    assert "at most 6" in (found.help or "")


def test_distances_are_measured_at_224_whatever_the_input_is() -> None:
    published = golden("transnext_micro@256x256")
    state, keys = official_state(published), Path("specs/transnext_micro.keys.yaml")
    # made for 224, and given larger images
    module = build_module(_network("transnext_micro"), weights=state, keymap=keys)
    with torch.no_grad():
        assert_golden(published, module(golden_images(published)))


def test_a_fixed_number_of_cells_has_the_counts_of_linear_mode() -> None:
    fixed = "".join(f"stage s{i} {{ token = aggregated(reduction = none, pool = 7x7) }}\n" for i in (1, 2, 3))
    text = f'import "@transnext_micro" (transnext_micro)\narch fixed extends transnext_micro {{\n{fixed}}}\n'
    spec = api.loads(text).overridden(at=(256, 256))
    assert (spec.params, spec.flops) == (12_809_304, 3_601_216_480)


@pytest.mark.parametrize("name", ["transnext_micro", "transnext_micro_AAAA"])
def test_the_published_layout_comes_back_to_the_last_bit(name: str) -> None:
    published, keys = golden(name), Path(f"specs/{name.lower()}.keys.yaml")
    state = official_state(published)
    module = build_module(_network(name.lower(), (64, 64)), weights=state, keymap=keys)
    found = official_layout(module.state_dict(), read_keymap(keys))
    assert {name: list(tensor.shape) for name, tensor in found.items()} == {name: shape for name, shape, _ in published["keys"]}
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


@pytest.mark.parametrize("name", SPECS)
def test_a_key_map_fits_every_size(name: str) -> None:
    path = archdsl.building.keymap_of(archdsl.load(ROOT / f"specs/{name}.arch"))
    assert path is not None
    own = weights(_network(name))
    assert len({entry.official for entry in read_keymap(path).entries(own)}) == len(own)


def test_what_is_trained_without_weight_decay() -> None:
    module = _shallow((64, 64))
    decayed = {name for name, _ in module.named_parameters()} - module.no_weight_decay()
    token = {name.removeprefix("stages.s1.0.token.") for name in decayed if name.startswith("stages.s1.0.token.")}
    assert token == {"learnable_tokens", "learnable_bias", "q.weight", "kv.weight", "reduce.weight", "proj.weight"}
    token = {name.removeprefix("stages.s4.0.token.") for name in decayed if name.startswith("stages.s4.0.token.")}
    assert token == {"qkv.weight", "proj.weight"}


@pytest.mark.parametrize("name", ["transnext_micro", "transnext_micro_aaaa"])
def test_convolutions_start_as_published(name: str) -> None:
    module = build_module(_network(name, (64, 64)), seed=4)
    found = 0
    for convolution in module.modules():
        if isinstance(convolution, torch.nn.Conv2d):
            weight, found = convolution.weight, found + 1
            fan_out = weight[0, 0].numel() * convolution.out_channels // convolution.groups
            assert abs(weight.std().item() / (2 / fan_out) ** 0.5 - 1) < 5 / (2 * weight.numel()) ** 0.5
            assert not convolution.bias.any()
    # stem and downs, one in each block, one in each aggregated attention
    assert found == 4 + 21 + (19 if name == "transnext_micro" else 21)


def test_every_weight_learns() -> None:
    assert lost_weights(build_module(_network("transnext_micro", (64, 96)), seed=4), torch.randn(6, 3, 64, 96)) == []


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    assert graphs_of_steps(_shallow((64, 64)), (64, 64)) <= 2
