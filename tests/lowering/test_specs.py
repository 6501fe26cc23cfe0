"""The packaged specs as modules in training."""

from __future__ import annotations

import pytest
import torch

from archdsl import api
from archdsl.lowering.build import build_module
from archdsl.lowering.export import images
from archdsl.lowering.level import Block
from archdsl.lowering.module import lower


@pytest.mark.parametrize(
    ("spec", "depth", "most"),
    [("biformer_t", 14, 0.1), ("biformer_s", 30, 0.15), ("biformer_b", 30, 0.4), ("davit_tiny", 12, 0.1)],
)
def test_drop_rates_rise_evenly_to_the_published_one(spec: str, depth: int, most: float) -> None:
    module = lower(api.load(f"@{spec}").network)
    rates = [block.drop_rate for block in module.modules() if isinstance(block, Block)]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, most, depth))


def test_a_seeded_build_gives_the_same_bits_and_every_weight_learns() -> None:
    network = api.load("@biformer_t").network
    one, two = build_module(network, seed=4), build_module(network, seed=4)
    assert all(torch.equal(tensor, two.state_dict()[key]) for key, tensor in one.state_dict().items())
    assert one.stages.get_submodule("s1.0.token.qkv").weight.std().item() == pytest.approx(0.02, rel=0.05)
    one.train()
    one(images(one, 2)).square().mean().backward()
    assert [name for name, weight in one.named_parameters() if weight.grad is None] == []
