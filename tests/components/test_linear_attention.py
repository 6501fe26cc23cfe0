"""`linear_attention`: the suite, and its weights position by position."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_STATE = ("qk.weight", "qk.bias")


class TestLinearAttention(ComponentSuite):
    component = "linear_attention"
    cases = (
        Case(FeatureMap(8, Size(5, 6)), {"head_dim": 4}, state=_STATE),
        Case(FeatureMap(9, Size(4, 7)), {"head_dim": 3, "eps": 1e-3}, state=_STATE),
        Case(FeatureMap(5, Size(1, 3)), {"head_dim": 5}, state=_STATE),
    )


def _positive(value: float) -> float:
    return value + 1 if value > 0 else math.exp(value)


def _by_loops(module: torch.nn.Module, x: Tensor, d: int, eps: float) -> Tensor:
    """One image [C, H, W]: for each head and query the weight of every key, then the mean of the values by these weights."""
    channels = x.shape[0]
    values = x.flatten(1)
    projected = module.qk.weight[:, :, 0, 0] @ values + module.qk.bias[:, None]
    q, k = projected.apply_(_positive).split(channels)
    positions = values.shape[1]
    out = torch.zeros_like(values)
    for head in range(0, channels, d):
        own = slice(head, head + d)
        for i in range(positions):
            weights = [float(q[own, i] @ k[own, j]) for j in range(positions)]
            total = sum(weights) / positions + eps
            for j, weight in enumerate(weights):
                out[own, i] += weight / positions / total * values[own, j]
    return out.reshape(x.shape)


@pytest.mark.parametrize(("size", "d", "eps"), [((3, 4), 4, 1e-6), ((5, 2), 12, 0.5), ((1, 1), 2, 1e-6)])
def test_is_attention_by_positive_products(size: tuple[int, int], d: int, eps: float) -> None:
    x = FeatureMap(12, Size(*size))
    torch.manual_seed(3)
    module = instantiate(resolved("linear_attention", {"head_dim": d, "eps": eps}, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, d, eps) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_weights_add_up_to_one() -> None:
    x = FeatureMap(8, Size(6, 5))
    module = instantiate(resolved("linear_attention", {"head_dim": 4}, x), x).double()
    same = torch.arange(8, dtype=torch.float64)[None, :, None, None].expand(1, 8, 6, 5)
    torch.testing.assert_close(module(same), same, rtol=1e-5, atol=0)


def test_weights_that_nearly_vanish_are_divided_in_half_precision() -> None:
    x = FeatureMap(4, Size(2, 3))
    module = instantiate(resolved("linear_attention", {"head_dim": 4}, x), x)
    with torch.no_grad():
        module.qk.weight.zero_()
        # positive by no more than half precision tells apart from nothing
        module.qk.bias.fill_(-6.5)
        found = module.half()(torch.ones(1, 4, 2, 3).half())
    assert found.isfinite().all()
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0.2, atol=0)


def test_starts_as_published() -> None:
    x = FeatureMap(64, Size(2, 2))
    torch.manual_seed(3)
    module = instantiate(resolved("linear_attention", {"head_dim": 16}, x), x)
    assert module.qk.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module.qk.bias.any()


def test_refuses_tokens_beside_the_grid() -> None:
    x = FeatureMap(8, Size(2, 2), (Tokens("class_token", 1),))
    with pytest.raises(Refused):
        shape_at(resolved("linear_attention", {"head_dim": 4}, x), x)
