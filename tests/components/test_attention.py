"""`attention`: the suite, and its mathematics head by head."""

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


class TestAttention(ComponentSuite):
    component = "attention"
    cases = (
        Case(FeatureMap(8, Size(4, 5)), {"head_dim": 4}, state=("qkv.weight", "qkv.bias", "proj.weight", "proj.bias")),
        Case(
            FeatureMap(8, Size(4, 5)),
            {"heads": 4, "qkv_bias": False, "lepe": Size(3, 5), "lepe_of": "input"},
            state=("qkv.weight", "proj.weight", "proj.bias", "lepe.weight", "lepe.bias"),
        ),
        Case(
            FeatureMap(6, Size(4, 5)),
            {"heads": 1, "lepe": Size(5, 5)},
            state=("qkv.weight", "qkv.bias", "proj.weight", "proj.bias", "lepe.weight", "lepe.bias"),
        ),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, heads: int, of_input: bool) -> Tensor:
    """One image [C, H, W], one head and one position at a time."""
    channels, height, width = x.shape
    tokens = x.flatten(1).T
    bias = 0 if module.qkv.bias is None else module.qkv.bias
    q, k, v = (tokens @ module.qkv.weight.T + bias).split(channels, dim=1)
    d = channels // heads
    out = torch.zeros_like(tokens)
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        for i in range(len(tokens)):
            weight = torch.stack([q[i, own] @ k[j, own] for j in range(len(tokens))]) / d**0.5
            out[i, own] = weight.softmax(0) @ v[:, own]
    if module.lepe is not None:
        source = x if of_input else v.T.reshape(channels, height, width)
        kernel = module.lepe.weight.shape[-2:]
        wide = F.pad(source, (kernel[1] // 2, kernel[1] // 2, kernel[0] // 2, kernel[0] // 2))
        out = out + F.conv2d(wide[None], module.lepe.weight, module.lepe.bias, groups=channels)[0].flatten(1).T
    return (out @ module.proj.weight.T + module.proj.bias).T.reshape(channels, height, width)


@pytest.mark.parametrize(
    ("heads", "qkv_bias", "lepe", "lepe_of"),
    [(1, True, None, "value"), (3, False, Size(5, 5), "input"), (6, True, Size(3, 1), "value")],
)
def test_is_a_sum_over_positions(heads: int, qkv_bias: bool, lepe: Size | None, lepe_of: str) -> None:
    x = FeatureMap(12, Size(3, 5))
    fields = {"heads": heads, "qkv_bias": qkv_bias, "lepe": lepe, "lepe_of": lepe_of}
    torch.manual_seed(3)
    module = instantiate(resolved("attention", fields, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, heads, lepe_of == "input") for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs `heads` or `head_dim`"),
        ({"heads": 2, "head_dim": 4}, "not both"),
        ({"heads": 3}, "divide the channels"),
        ({"heads": 2, "lepe": Size(3, 2)}, "must be odd"),
    ],
)
def test_refuses_fields_that_do_not_fit(fields: dict[str, object], message: str) -> None:
    x = FeatureMap(8, Size(3, 3))
    with pytest.raises(Refused, match=message):
        shape_at(resolved("attention", fields, x), x)
