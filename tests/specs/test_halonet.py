"""HaloNet: sizes, start values, the published layout both ways, and training, beside what every spec has to show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.network import Network, buffers, weights
from archdsl.lowering.build import build_module
from archdsl.lowering.export import images
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone
from archdsl.lowering.weights import official_state as official_layout
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted(path.stem for path in ROOT.glob("specs/halo*.arch"))
# blocks of 2x2 divide the maps of a small image
SMALL = {
    "halonet26t": {"attended.block": "2x2"},
    "halonet_h0": {"default.token.block": "2x2", "s1.depth": 1, "s2.depth": 1, "s3.depth": 2, "s4.depth": 2},
}


def _small(name: str) -> Backbone:
    return build_module(api.load(f"@{name}", at=(64, 64), set=SMALL[name]).network, seed=4)


def _network(name: str) -> Network:
    return api.load(f"@{name}").network


@pytest.mark.parametrize("name", SPECS)
def test_no_branch_is_dropped(name: str) -> None:
    network = _network(name)
    assert {rate for stage in network.stages for rate in network.values[stage].drop_rates} <= {0.0}


@pytest.mark.parametrize(
    ("name", "at", "last"),
    [("halonet26t", (256, 512), (8, 16)), ("halonet_h0", (512, 256), (16, 8)), ("halo2botnet50ts_256", (256, 512), (8, 16))],
)
def test_sizes_that_blocks_divide_are_built_and_counted(name: str, at: tuple[int, int], last: tuple[int, int]) -> None:
    counted = archdsl.count(ROOT / f"specs/{name}.arch", at=at)
    assert counted.comparison.equal, counted.comparison.differing
    assert api.load(f"@{name}", at=at).network.values["s4"].y.size == last


@pytest.mark.parametrize(
    ("name", "at", "block", "map"),
    [
        ("halonet26t", (224, 224), "8x8", "14x14"),
        ("halonet_h1", (256, 224), "8x8", "32x28"),
        # what the paper did at its own size is not known
        ("halonet_h7", (600, 600), "10x10", "75x75"),
    ],
)
def test_sizes_that_blocks_do_not_divide_are_refused(name: str, at: tuple[int, int], block: str, map: str) -> None:
    with pytest.raises(SpecError) as caught:
        api.load(f"@{name}", at=at)
    (found,) = caught.value.diagnostics
    assert found.slug == "shape-mismatch"
    assert f"divisible by its {block} block" in found.message
    assert map in (found.label or "")
    assert f"choose a `block` that divides {map}" in found.help and "that fit" in found.help


def test_the_tables_of_all_positions_follow_the_input() -> None:
    tables = weights(api.load("@halo2botnet50ts_256", at=(256, 512)).network)
    assert tables["stages.s4.1.token.pos_embed.height_rel"] == (15, 128)
    assert tables["stages.s4.1.token.pos_embed.width_rel"] == (31, 128)


@pytest.mark.parametrize("name", ["halonet26t", "halonet_h1", "halo2botnet50ts_256"])
def test_the_published_layout_comes_back_to_the_last_bit(name: str) -> None:
    published, keys = golden(name), Path(f"specs/{name}.keys.yaml")
    state = official_state(published)
    module = build_module(_network(name), weights=state, keymap=keys)
    found = official_layout(module.state_dict(), read_keymap(keys))
    assert {name: list(tensor.shape) for name, tensor in found.items()} == {name: shape for name, shape, _ in published["keys"]}
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


@pytest.mark.parametrize("name", SPECS)
def test_a_key_map_fits_every_size(name: str) -> None:
    path = archdsl.building.keymap_of(archdsl.load(ROOT / f"specs/{name}.arch"))
    assert path is not None
    network = _network(name)
    own = {**weights(network), **buffers(network)}
    assert len({entry.official for entry in read_keymap(path).entries(own)}) == len(own)


def test_branches_start_as_nothing() -> None:
    module = _small("halonet_h0").eval()
    block = module.stages.get_submodule("s3.1")
    assert not block.batchnorm_3.weight.any()
    assert block.batchnorm_2.weight.eq(1).all()
    x = torch.randn(2, 128, 4, 4)
    assert torch.equal(block(x), x.relu())


def test_the_start_is_as_published() -> None:
    module = _small("halonet26t")
    found = {
        "stem.conv_3.weight": (2 / (9 * 64)) ** 0.5,
        "stages.s3.0.token.weight": (2 / (9 * 256)) ** 0.5,
        "stages.s4.1.conv_2.weight": (2 / 2048) ** 0.5,
        "stages.s4.1.token.kv.weight": 512**-0.5,
        "head.linear.weight": 0.01,
    }
    for name, deviation in found.items():
        assert module.get_parameter(name).std().item() == pytest.approx(deviation, rel=0.03), name


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_learns_but_the_rows_that_nothing_reads(name: str) -> None:
    module = _small(name).train()
    for key, weight in module.named_parameters():
        if key.endswith("batchnorm_3.weight"):
            torch.nn.init.ones_(weight)
    assert lost_weights(module, images(module, 4)) == []
    halo = 2 if name == "halonet26t" else 3
    # blocks of 2x2 have two queries along an axis, and one where the stride is two
    for block, queries in ((0, 1), (1, 2)):
        table = module.stages.get_submodule(f"s4.{block}.token.pos_embed").height_rel
        assert table.grad.any(dim=1).tolist() == [row >= 2 + 2 * halo - queries for row in range(2 * (2 + 2 * halo) - 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training_compiles_once_for_all_batches(name: str) -> None:
    assert graphs_of_steps(_small(name), (64, 64)) <= 2
