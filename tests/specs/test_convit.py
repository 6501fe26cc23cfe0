"""ConViT: drop rates, where the class token enters, sizes, the published layout both ways, and training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.network import weights
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone
from archdsl.lowering.weights import official_state as official_layout
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

ROOT = Path(__file__).resolve().parents[2]
KEYS = Path("specs/convit_tiny.keys.yaml")
# heads, and channels of a head
TABLE = {
    "convit_tiny": (4, 48),
    "convit_small": (9, 48),
    "convit_base": (16, 48),
    "convit_tiny_plus": (4, 64),
    "convit_small_plus": (9, 64),
    "convit_base_plus": (16, 64),
}


def _tiny(at: tuple[int, int], **seed: int) -> Backbone:
    return build_module(api.load("@convit_tiny", at=at).network, **seed)


@pytest.mark.parametrize("spec", TABLE)
def test_a_spec_says_what_the_table_of_the_paper_says(spec: str) -> None:
    heads, head_dim = TABLE[spec]
    network = api.load(f"@{spec}").network
    local, last = network.values["local"], network.values["global"]
    assert (len(local.blocks), len(last.blocks)) == (10, 2)
    assert local.y.channels == last.y.channels == heads * head_dim
    assert weights(network)["stages.local.0.token.gating_param"] == (heads,)
    # the class token enters before the last two blocks, after the table of positions
    assert weights(network)["stem.position_table.weight"] == (14, 14, heads * head_dim)
    assert (local.y.positions, last.y.positions) == (196, 197)
    torch.testing.assert_close(torch.tensor([*local.drop_rates, *last.drop_rates]), torch.linspace(0, 0.1, 12))


@pytest.mark.parametrize("spec", TABLE)
def test_the_key_map_fits_every_size(spec: str) -> None:
    own = weights(api.load(f"@{spec}").network)
    assert len({entry.official for entry in read_keymap(KEYS).entries(own)}) == len(own) == 180


def test_heads_start_on_a_square_of_places() -> None:
    module = build_module(api.load("@convit_small", at=(32, 32)).network)
    rows = module.stages.get_submodule("local.3.token").pos_proj.weight
    places = [[right, down, -1] for right in (-2, 0, 2) for down in (-2, 0, 2)]
    torch.testing.assert_close(rows, torch.tensor(places, dtype=torch.float32))


@pytest.mark.parametrize(
    # the published code takes square images only
    ("at", "grid"),
    [((64, 64), (4, 4)), ((48, 112), (3, 7)), ((37, 70), (2, 4))],
)
def test_any_size_is_built_and_counted(at: tuple[int, int], grid: tuple[int, int]) -> None:
    counted = archdsl.count(ROOT / "specs/convit_tiny.arch", at=at)
    assert counted.comparison.equal, counted.comparison.differing
    assert counted.params == 5_710_512 + (grid[0] * grid[1] - 14 * 14) * 192


def test_a_module_takes_the_images_that_its_table_was_made_for() -> None:
    with pytest.raises(ValueError, match="build it with input"):
        _tiny((48, 64))(torch.randn(1, 3, 64, 48))


def test_the_published_layout_comes_back_to_the_last_bit() -> None:
    state = official_state(golden("convit_tiny"))
    module = build_module(api.load("@convit_tiny").network, weights=state, keymap=KEYS)
    found = official_layout(module.state_dict(), read_keymap(KEYS))
    assert found.keys() == state.keys()
    assert all(torch.equal(tensor.flatten(), state[name].flatten()) for name, tensor in found.items())


def test_every_weight_learns_but_the_bias_of_positions() -> None:
    module = _tiny((48, 64), seed=4)
    images = torch.randn(2, 3, 48, 64)
    assert lost_weights(module, images) == []
    # a softmax takes the bias out again: what is left of its gradient is rounding
    for name, weight in module.named_parameters():
        dead = name.endswith("pos_proj.bias")
        assert (weight.grad.abs().max() < 1e-8) == dead, name


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    assert graphs_of_steps(_tiny((32, 48), seed=4), (32, 48)) <= 2
