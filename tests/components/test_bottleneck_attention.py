"""`bottleneck_attention`: the suite, its mathematics position by position, its start values, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_STATE = ("qkv.weight", "pos_embed.height_rel", "pos_embed.width_rel")


class TestBottleneckAttention(ComponentSuite):
    component = "bottleneck_attention"
    cases = (
        Case(FeatureMap(8, Size(4, 6)), {"heads": 2}, state=_STATE),
        Case(FeatureMap(6, Size(5, 3)), {"head_dim": 3, "stride": 2}, state=_STATE),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, heads: int) -> Tensor:
    """One image [C, H, W], one head, query and key at a time."""
    channels, height, width = x.shape
    d = channels // heads
    rows, columns = module.pos_embed.height_rel, module.pos_embed.width_rel
    q, k, v = torch.einsum("oc,chw->ohw", module.qkv.weight[:, :, 0, 0], x).split(channels)
    out = torch.zeros_like(x)
    places = [(row, column) for row in range(height) for column in range(width)]
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        for i, j in places:
            query = q[own, i, j]
            logits = [
                query @ k[own, a, b] / d**0.5 + query @ rows[a - i + height - 1] + query @ columns[b - j + width - 1]
                for a, b in places
            ]
            out[own, i, j] = v[own].flatten(1) @ torch.stack(logits).softmax(0)
    return out


@pytest.mark.parametrize(
    ("size", "heads", "stride"), [((3, 4), 2, 1), ((5, 2), 1, 1), ((1, 1), 6, 1), ((4, 5), 3, 2), ((1, 7), 2, 1)]
)
def test_is_a_sum_over_positions(size: tuple[int, int], heads: int, stride: int) -> None:
    x = FeatureMap(12, Size(*size))
    torch.manual_seed(3)
    module = instantiate(resolved("bottleneck_attention", {"heads": heads, "stride": stride}, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = F.avg_pool2d(torch.stack([_by_loops(module, image, heads) for image in images]), stride)
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_every_row_of_the_tables_is_read() -> None:
    x = FeatureMap(4, Size(3, 5))
    module = instantiate(resolved("bottleneck_attention", {"heads": 2}, x), x).double()
    module(torch.randn(1, *x.shape, dtype=torch.float64)).square().sum().backward()
    for table in (module.pos_embed.height_rel, module.pos_embed.width_rel):
        assert table.grad.any(dim=1).all()


def test_the_start_is_as_published() -> None:
    x = FeatureMap(256, Size(8, 8))
    torch.manual_seed(0)
    module = instantiate(resolved("bottleneck_attention", {"heads": 4}, x), x)
    assert module.qkv.weight.std().item() == pytest.approx(256**-0.5, rel=0.02)
    for table in (module.pos_embed.height_rel, module.pos_embed.width_rel):
        assert table.shape == (15, 64)
        assert table.std().item() == pytest.approx(64**-0.5, rel=0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs `heads` or `head_dim`"),
        ({"heads": 2, "head_dim": 4}, "not both"),
        ({"head_dim": 3}, "divide the channels"),
        ({"heads": 2, "stride": 4}, "must fit"),
    ],
)
def test_refuses_what_does_not_fit(fields: dict[str, object], message: str) -> None:
    x = FeatureMap(8, Size(7, 3))
    with pytest.raises(Refused, match=message):
        shape_at(resolved("bottleneck_attention", fields, x), x)
