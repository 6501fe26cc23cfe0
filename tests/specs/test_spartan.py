"""SpaRTAN: drop rates, start values, sizes, the published layout both ways, and training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.weights import official_state as official_layout
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

SPEC = Path(__file__).resolve().parents[2] / "specs/spartan_t.arch"
KEYS = Path("specs/spartan_t.keys.yaml")


def test_the_last_drop_rate_is_one_step_below_the_published_one() -> None:
    network = api.load("@spartan_t").network
    rates = [rate for name in network.stages for rate in network.values[name].drop_rates]
    torch.testing.assert_close(torch.tensor(rates), torch.arange(20) * 0.1 / 20)


@pytest.mark.parametrize(
    # halves are rounded down after the stem, which rounds up
    ("at", "last"),
    [((192, 256), (6, 8)), ((97, 130), (3, 4)), ((64, 32), (2, 1))],
)
def test_any_size_is_built_and_counted(at: tuple[int, int], last: tuple[int, int]) -> None:
    counted = archdsl.count(SPEC, at=at)
    assert counted.comparison.equal, counted.comparison.differing
    assert api.load("@spartan_t", at=at).network.values["s4"].y.size == last


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        api.load("@spartan_t", at=(16, 64))
    (found,) = caught.value.diagnostics
    assert (found.slug, found.message) == ("field-mismatch", "the kernel must fit into the padded map")
    assert "use a larger input" in (found.help or "")


def test_weights_of_one_size_serve_another() -> None:
    state = official_state(golden("spartan_t"))
    small, large = (
        build_module(api.load("@spartan_t", at=at).network, weights=state, keymap=KEYS) for at in ((64, 64), (96, 64))
    )
    x = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(small(x), large(x))


def test_the_published_layout_comes_back_to_the_last_bit() -> None:
    published = golden("spartan_t")
    state = official_state(published)
    module = build_module(api.load("@spartan_t", at=(64, 64)).network, weights=state, keymap=KEYS)
    found = official_layout(module.state_dict(), read_keymap(KEYS))
    assert {name: list(tensor.shape) for name, tensor in found.items()} == {name: shape for name, shape, _ in published["keys"]}
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


def test_branches_start_small() -> None:
    module = build_module(api.load("@spartan_t", at=(64, 64)).network, seed=4)
    scales = [weight for name, weight in module.named_parameters() if "layer_scale" in name]
    assert len(scales) == 40
    assert all((weight == 1e-5).all() for weight in scales)


def test_weight_decay_is_as_published() -> None:
    module = build_module(api.load("@spartan_t", at=(64, 64)).network)
    bare = module.no_weight_decay()
    # the mean is taken off without decay; the scales of branches are published with four axes, and so with decay
    assert {name for name in bare if module.get_parameter(name).ndim > 1} == {
        name for name, _ in module.named_parameters() if name.endswith(".gamma")
    }
    decayed = {name for name, weight in module.named_parameters() if weight.ndim <= 1 and name not in bare}
    assert len(decayed) == 40
    assert decayed == {name for name, _ in module.named_parameters() if "layer_scale" in name}


def test_convolutions_start_by_fan_out() -> None:
    module = build_module(api.load("@spartan_t", at=(64, 64)).network)
    down = module.get_submodule("stages.s4.down.conv").weight
    assert down.std().item() == pytest.approx((2 / (4 * 256)) ** 0.5, rel=0.02)


def test_every_weight_learns() -> None:
    # a gate of few channels may start closed for all images; here none does
    module = build_module(api.load("@spartan_t", at=(64, 64)).network, seed=0)
    assert lost_weights(module, torch.randn(4, 3, 64, 64)) == []


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    module = build_module(api.load("@spartan_t", at=(64, 64)).network, seed=4)
    assert graphs_of_steps(module, (64, 64)) <= 2
