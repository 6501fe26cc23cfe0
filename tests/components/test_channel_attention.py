"""`channel_attention`: the suite, and its mathematics group by group."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite


class TestChannelAttention(ComponentSuite):
    component = "channel_attention"
    cases = (
        Case(
            FeatureMap(8, Size(5, 6)),
            {"head_dim": 4},
            state=("qkv.weight", "qkv.bias", "proj.weight", "proj.bias"),
        ),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, d: int) -> Tensor:
    """One image [C, H, W], one group and one channel of it at a time."""
    channels, height, width = x.shape
    qkv = torch.einsum("oc,chw->ohw", module.qkv.weight, x).flatten(1) + module.qkv.bias[:, None]
    q, k, v = qkv.split(channels)
    out = torch.zeros_like(q)
    for group in range(0, channels, d):
        for i in range(d):
            weight = torch.stack([k[group + i] @ v[group + j] for j in range(d)]) / d**0.5
            out[group + i] = weight.softmax(0) @ q[group : group + d]
    return (module.proj.weight @ out + module.proj.bias[:, None]).reshape(channels, height, width)


@pytest.mark.parametrize(("size", "d"), [((4, 6), 4), ((5, 3), 12), ((1, 1), 2)])
def test_mixes_the_queries_of_a_group(size: tuple[int, int], d: int) -> None:
    x = FeatureMap(12, Size(*size))
    torch.manual_seed(3)
    module = instantiate(resolved("channel_attention", {"head_dim": d}, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, d) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)
