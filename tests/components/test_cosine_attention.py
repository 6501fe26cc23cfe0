"""`cosine_attention`: the suite, and its mathematics position by position."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at
from tests.components.stirred import stirred

_STATE = (
    *("temperature", "query_embedding", "qkv.weight", "qkv.bias", "proj.weight", "proj.bias"),
    *(f"position.{part}.{kind}" for part in ("fc1", "fc2") for kind in ("weight", "bias")),
)


class TestCosineAttention(ComponentSuite):
    component = "cosine_attention"
    cases = (
        Case(FeatureMap(6, Size(4, 5)), {"head_dim": 3}, state=_STATE),
        Case(FeatureMap(5, Size(2, 3)), {"head_dim": 5, "pretrain": Size(7, 4)}, state=_STATE),
    )


def _by_loops(m: Any, x: Tensor, d: int) -> Tensor:
    """One image [C, H, W], one head and one position at a time."""
    channels, height, width = x.shape
    tokens = x.flatten(1).T
    q, k, v = (tokens @ m.qkv.weight.T + m.qkv.bias).split(channels, dim=1)
    size = Size(height, width)
    position = m.position(size, size)
    out = torch.zeros_like(tokens)
    for head in range(channels // d):
        own = slice(head * d, (head + 1) * d)
        sharpness = math.log(size.area) * math.log1p(math.exp(m.temperature[head, 0, 0]))
        keys = [key[own] / key[own].norm() for key in k]
        for i in range(size.area):
            query = (q[i, own] / q[i, own].norm() + m.query_embedding[head, 0]) * sharpness
            logits = torch.stack([query @ key for key in keys]) + position[head, i]
            out[i, own] = logits.softmax(0) @ v[:, own]
    return (out @ m.proj.weight.T + m.proj.bias).T.reshape(channels, height, width)


@pytest.mark.parametrize(
    ("size", "head_dim", "pretrain"), [((3, 5), 4, None), ((4, 2), 12, Size(7, 7)), ((1, 6), 3, Size(2, 9)), ((1, 1), 6, None)]
)
def test_is_a_sum_over_positions(size: tuple[int, int], head_dim: int, pretrain: Size | None) -> None:
    x = FeatureMap(12, Size(*size))
    module = stirred(lambda: instantiate(resolved("cosine_attention", {"head_dim": head_dim, "pretrain": pretrain}, x), x))
    with torch.no_grad():
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, head_dim) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("pretrain", [None, Size(4, 4)])
def test_another_size_gives_what_a_module_of_that_size_gives(pretrain: Size | None) -> None:
    x, other = FeatureMap(4, Size(6, 4)), FeatureMap(4, Size(5, 8))
    spec = resolved("cosine_attention", {"head_dim": 2, "pretrain": pretrain}, x)
    module, fresh = (stirred(lambda at=at: instantiate(spec, at)) for at in (x, other))
    images = torch.randn(2, *other.shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(images), fresh(images), rtol=1e-12, atol=1e-12)


def test_starts_as_published() -> None:
    x = FeatureMap(480, Size(2, 2))
    torch.manual_seed(0)
    module: Any = instantiate(resolved("cosine_attention", {}, x), x)
    torch.testing.assert_close(torch.nn.functional.softplus(module.temperature), torch.full((20, 1, 1), 1 / 0.24))
    for weight in (module.qkv.weight, module.proj.weight, module.query_embedding):
        assert abs(weight.std().item() / 0.02 - 1) < 5 / (2 * weight.numel()) ** 0.5
    assert not any(value.any() for name, value in module.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(("x", "head_dim"), [(FeatureMap(24, None), 24), (FeatureMap(24, Size(2, 2)), 5)])
def test_refuses_vectors_and_heads_that_do_not_fit(x: FeatureMap, head_dim: int) -> None:
    with pytest.raises(Refused):
        shape_at(resolved("cosine_attention", {"head_dim": head_dim}, x), x)
