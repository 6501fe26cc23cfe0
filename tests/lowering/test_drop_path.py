from __future__ import annotations

import torch

from archdsl.ir import part as parts
from archdsl.ir.network import Placed
from archdsl.lowering import grow
from archdsl.lowering.level import Block
from archdsl.lowering.module import lower
from archdsl.lowering.steps import drop_path
from tests.lowering import networks


def test_an_image_is_kept_whole_and_scaled_or_dropped_whole() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000, 3, 2, 2)
    y = drop_path(x, 0.25).flatten(1)
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert set(y[:, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs((y[:, 0] == 0).float().mean().item() - 0.25) < 0.03


def test_the_ends_of_the_rate() -> None:
    x = torch.randn(5, 4)
    assert drop_path(x, 0.0) is x
    assert not drop_path(x, 1.0).any()


def test_each_block_has_the_rate_of_the_network() -> None:
    module = lower(networks.small(rates=(0.0, 0.05, 0.1)))
    assert [block.drop_rate for block in module.modules() if isinstance(block, Block)] == [0.0, 0.05, 0.1]
    assert "drop_rate=0.05" in repr(module)


def test_drops_residual_branches_in_training_only_and_never_the_position_branch() -> None:
    module = grow.block(networks.mixing_block(networks.FeatureMap(16, networks.Size(14, 14)), networks.MLP), "k", 1.0, 0)
    x = torch.randn(2, 16, 14, 14)
    assert torch.equal(module.train()(x), x + module.dwconv(x))
    module.eval()
    assert not torch.allclose(module(x), x + module.dwconv(x), atol=1e-5)


def test_a_written_drop_path_drops_at_its_own_rate() -> None:
    x = networks.FeatureMap(4, networks.Size(2, 2))
    dropped = Placed(parts.DropPath(1.0, networks.SPAN), x, x)
    module = grow.level(networks.chain((networks.conv(4), "conv"), dropped, x=x), "k", 0)
    assert not module.train()(torch.randn(2, 4, 2, 2)).any()
    assert module.eval()(torch.randn(2, 4, 2, 2)).any()
