"""VOLO: drop rates, both heads, sizes, the published layout both ways, and training, beside what every spec has to show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.ir.network import buffers, network_leaves, weights
from archdsl.lowering.build import build_module
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone
from archdsl.lowering.weights import official_state as official_layout
from archdsl.report.diff import changes
from archdsl.source.diagnostic import SpecError
from archdsl.testing.golden import golden, official_state
from tests.specs.steps import graphs_of_steps, lost_weights

ROOT = Path(__file__).resolve().parents[2]
KEYS = Path("specs/volo_d1.keys.yaml")
# layers, widths, heads, drop path
TABLE = {
    "volo_d1": ((4, 4, 8, 2), (192, 384), (6, 12), 0.1),
    "volo_d2": ((6, 4, 10, 4), (256, 512), (8, 16), 0.2),
    "volo_d3": ((8, 8, 16, 4), (256, 512), (8, 16), 0.5),
    "volo_d4": ((8, 8, 16, 4), (384, 768), (12, 16), 0.5),
    "volo_d5": ((12, 12, 20, 4), (384, 768), (12, 16), 0.75),
}


def _d1(at: tuple[int, int], **seed: int) -> Backbone:
    return build_module(api.load("@volo_d1", at=at).network, **seed)


@pytest.mark.parametrize("spec", TABLE)
def test_a_spec_says_what_the_table_of_the_paper_says(spec: str) -> None:
    layers, (fine, coarse), (fine_heads, coarse_heads), rate = TABLE[spec]
    network = api.load(f"@{spec}").network
    stages = [network.values[name] for name in ("s1", "s2", "s3", "s4", "readout")]
    assert tuple(len(stage.blocks) for stage in stages) == (*layers, 2)
    assert [stage.y.channels for stage in stages] == [fine, coarse, coarse, coarse, coarse]
    heads = [leaf.leaf.heads for name, leaf in network_leaves(network) if name.endswith(".0.token")]
    assert heads == [fine_heads, *[coarse_heads] * 4]
    # blocks of the first stage count along the ramp but are not dropped, those that read out do neither
    blocks = sum(layers)
    rising = [rate * block / (blocks - 1) for block in range(blocks)]
    expected = [*[0.0] * layers[0], *rising[layers[0] :], 0.0, 0.0]
    torch.testing.assert_close(torch.tensor([r for stage in stages for r in stage.drop_rates]), torch.tensor(expected))


def test_two_sizes_differ_in_what_the_table_says() -> None:
    found = {
        change.path: (change.before, change.after)
        for change in changes(api.load("@volo_d1").network, api.load("@volo_d3").network)
    }
    assert found["s1.dim"] == ("192", "256")
    assert found["s1.depth"] == ("4", "8")
    assert found["s1.token.heads"] == ("6", "8")
    assert found["s3.depth"] == ("8", "16")
    assert found["s4.token.heads"] == ("12", "16")
    assert found["s4.drop_path"] == ("0.09412..0.1", "0.4571..0.5")


def test_logits_are_the_class_token_and_half_the_best_patch() -> None:
    module = _d1((64, 96), seed=3)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        logits = module.eval()(images)
        module.train()
        for block in module.modules():
            if hasattr(block, "drop_rate"):
                block.drop_rate = 0.0
            if isinstance(block, torch.nn.BatchNorm2d):
                block.eval()
        heads = module(images)
    assert heads["main"].shape == (2, 1000)
    assert heads["aux"].shape == (2, 1000, 4, 6)
    torch.testing.assert_close(logits, heads["main"] + 0.5 * heads["aux"].flatten(2).amax(2))


def test_patches_keep_what_class_attention_leaves() -> None:
    module = _d1((64, 64), seed=3).eval()
    tokens = torch.randn(2, 384, 1 + 16)
    with torch.no_grad():
        out = module.stages.get_submodule("readout.0")(tokens, {})
    assert torch.equal(out[..., 1:], tokens[..., 1:])
    assert not torch.equal(out[..., 0], tokens[..., 0])


@pytest.mark.parametrize(
    # convolutions of even kernels leave out what is over; an odd fine map has windows at its rim
    ("at", "fine", "coarse"),
    [((96, 64), (12, 8), (6, 4)), ((72, 104), (9, 13), (4, 6)), ((33, 47), (4, 6), (2, 3))],
)
def test_any_size_is_built_and_counted(at: tuple[int, int], fine: tuple[int, int], coarse: tuple[int, int]) -> None:
    counted = archdsl.count(ROOT / "specs/volo_d1.arch", at=at)
    assert counted.comparison.equal, counted.comparison.differing
    network = api.load("@volo_d1", at=at).network
    assert (network.values["s1"].y.size, network.values["s4"].y.size) == (fine, coarse)
    assert counted.params == 26_632_040 + (coarse[0] * coarse[1] - 14 * 14) * 384


def test_images_that_leave_nothing_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        _ = api.load("@volo_d1", at=(8, 64)).network
    (found,) = caught.value.diagnostics
    assert "must fit into the padded map" in found.message
    assert "in `s2.down`" in (found.label or "")


def test_a_module_takes_the_images_that_its_table_was_made_for() -> None:
    with pytest.raises(ValueError, match="build it with input"):
        _d1((64, 96))(torch.randn(1, 3, 96, 64))


def test_the_published_layout_comes_back_to_the_last_bit() -> None:
    published = golden("volo_d1@192x256")
    state = official_state(published)
    module = build_module(api.load("@volo_d1", at=(192, 256)).network, weights=state, keymap=KEYS)
    found = official_layout(module.state_dict(), read_keymap(KEYS))
    assert {name: tensor.numel() for name, tensor in found.items()} == {name: tensor.numel() for name, tensor in state.items()}
    assert all(torch.equal(tensor.flatten(), state[name].flatten()) for name, tensor in found.items())


@pytest.mark.parametrize("spec", TABLE)
def test_the_key_map_fits_every_size(spec: str) -> None:
    network = api.load(f"@{spec}").network
    own = {**weights(network), **buffers(network)}
    assert len({entry.official for entry in read_keymap(KEYS).entries(own)}) == len(own)


def test_every_weight_learns() -> None:
    assert lost_weights(_d1((64, 96), seed=4), torch.randn(2, 3, 64, 96)) == []


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    assert graphs_of_steps(_d1((32, 48), seed=4), (32, 48)) <= 2
