"""`aggregated`: the suite, and its mathematics position by position."""

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
    *("temperature", "query_embedding", "local_bias", "learnable_tokens", "learnable_bias"),
    *(f"{part}.{kind}" for part in ("q", "kv", "reduce", "norm", "proj") for kind in ("weight", "bias")),
    *(f"position.{part}.{kind}" for part in ("fc1", "fc2") for kind in ("weight", "bias")),
)


class TestAggregated(ComponentSuite):
    component = "aggregated"
    cases = (
        Case(FeatureMap(6, Size(8, 6)), {"reduction": 2, "head_dim": 3}, state=_STATE),
        Case(FeatureMap(5, Size(7, 9)), {"reduction": 4, "head_dim": 5, "pretrain": Size(4, 6)}, state=_STATE),
        Case(FeatureMap(6, Size(5, 7)), {"pool": Size(2, 3), "window": Size(5, 3), "head_dim": 2}, state=_STATE),
    )


def _unit(vector: Tensor) -> Tensor:
    return vector / vector.norm().clamp(min=1e-12)


def _mean_of_cell(x: Tensor, row: int, column: int, cells: Size) -> Tensor:
    """The mean of a map [C, H, W] over one cell of an adaptive pooling."""
    height, width = x.shape[1:]
    top, bottom = row * height // cells.height, math.ceil((row + 1) * height / cells.height)
    left, right = column * width // cells.width, math.ceil((column + 1) * width / cells.width)
    return x[:, top:bottom, left:right].mean((1, 2))


def _by_loops(m: Any, x: Tensor, spec: Any) -> Tensor:
    """One image [C, H, W], one position and one head at a time."""
    channels, height, width = x.shape
    d, cells = spec.head_dim, spec.cells(Size(height, width))
    heads = channels // d
    position = m.position(Size(height, width), cells)

    reduced = torch.einsum("oc,chw->ohw", m.reduce.weight[:, :, 0, 0], x) + m.reduce.bias[:, None, None]
    reduced = reduced / 2 * (1 + torch.erf(reduced / 2**0.5))
    pooled = []
    for i in range(cells.height):
        for j in range(cells.width):
            z = _mean_of_cell(reduced, i, j, cells)
            z = (z - z.mean()) / (z.var(unbiased=False) + 1e-5).sqrt() * m.norm.weight + m.norm.bias
            pooled.append(m.kv.weight @ z + m.kv.bias)

    out = torch.zeros_like(x)
    for row in range(height):
        for column in range(width):
            parts = []
            for head in range(heads):
                own, own_v = slice(head * d, (head + 1) * d), slice(channels + head * d, channels + (head + 1) * d)
                q = _unit((m.q.weight @ x[:, row, column] + m.q.bias)[own])
                taps = []
                for tap in range(spec.window.area):
                    i, j = divmod(tap, spec.window.width)
                    place = row + i - spec.window.height // 2, column + j - spec.window.width // 2
                    if 0 <= place[0] < height and 0 <= place[1] < width:
                        taps.append((tap, m.kv.weight @ x[:, place[0], place[1]] + m.kv.bias))
                sharpness = math.log(len(taps) + cells.area) * math.log1p(math.exp(m.temperature[head, 0, 0]))
                query = (q + m.query_embedding[head, 0]) * sharpness
                logits = [query @ _unit(kv[own]) + m.local_bias[head, tap] for tap, kv in taps]
                logits += [
                    query @ _unit(kv[own]) + position[head, row * width + column, cell] for cell, kv in enumerate(pooled)
                ]
                weight = torch.stack(logits).softmax(0)
                y = sum(weight[len(taps) + cell] * kv[own_v] for cell, kv in enumerate(pooled))
                for index, (tap, kv) in enumerate(taps):
                    learned = q @ m.learnable_tokens[head, :, tap] + m.learnable_bias[head, 0, tap]
                    y = y + (weight[index] + learned) * kv[own_v]
                parts.append(y)
            out[:, row, column] = m.proj.weight @ torch.cat(parts) + m.proj.bias
    return out


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        ((4, 6), {"reduction": 2, "head_dim": 4}),
        ((5, 3), {"reduction": 2, "head_dim": 3, "pretrain": Size(7, 4)}),
        ((3, 7), {"pool": Size(2, 7), "head_dim": 12, "window": Size(1, 5)}),
        ((1, 1), {"reduction": 1, "head_dim": 2}),
    ],
)
def test_is_one_softmax_over_neighbours_and_cells(size: tuple[int, int], fields: dict[str, object]) -> None:
    x = FeatureMap(12, Size(*size))
    spec = resolved("aggregated", fields, x)
    module = stirred(lambda: instantiate(spec, x))
    with torch.no_grad():
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, spec) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("pretrain", [None, Size(4, 4)])
def test_another_size_gives_what_a_module_of_that_size_gives(pretrain: Size | None) -> None:
    x, other = FeatureMap(4, Size(6, 4)), FeatureMap(4, Size(5, 8))
    spec = resolved("aggregated", {"reduction": 2, "head_dim": 2, "pretrain": pretrain}, x)
    module, fresh = (stirred(lambda at=at: instantiate(spec, at)) for at in (x, other))
    images = torch.randn(2, *other.shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(images), fresh(images), rtol=1e-12, atol=1e-12)


def test_double_precision_has_tables_of_double_precision() -> None:
    x = FeatureMap(6, Size(7, 5))
    spec = resolved("aggregated", {"reduction": 2, "head_dim": 3}, x)
    small, large = instantiate(spec, x).double(), instantiate(spec, x.with_size(Size(9, 6))).double()
    large.load_state_dict(small.state_dict())
    # of another size the tables are computed in the forward pass, from the same numbers
    images = torch.randn(2, *x.shape, dtype=torch.float64)
    torch.testing.assert_close(large(images), small(images), rtol=1e-12, atol=1e-12)


def test_starts_as_published() -> None:
    x = FeatureMap(480, Size(4, 4))
    torch.manual_seed(0)
    module: Any = instantiate(resolved("aggregated", {"reduction": 2}, x), x)
    torch.testing.assert_close(torch.nn.functional.softplus(module.temperature), torch.full((20, 1, 1), 1 / 0.24))
    for weight, deviation in (
        (module.q.weight, 0.02),
        (module.kv.weight, 0.02),
        (module.proj.weight, 0.02),
        (module.position.fc1.weight, 0.02),
        (module.position.fc2.weight, 0.02),
        (module.learnable_tokens, 0.02),
        (module.query_embedding, 0.02),
        (module.local_bias, 0.0004),
        (module.reduce.weight, (2 / 480) ** 0.5),
    ):
        spread = weight.std().item()
        assert abs(spread / deviation - 1) < 5 / (2 * weight.numel()) ** 0.5
        assert abs(weight.mean().item()) < 5 * deviation / weight.numel() ** 0.5
    zero = [module.learnable_bias, *(value for name, value in module.named_parameters() if name.endswith(".bias"))]
    assert not any(value.any() for value in zero)
    assert module.norm.eps == 1e-5
    assert torch.equal(module.norm.weight, torch.ones(480))


@pytest.mark.parametrize(
    ("fields", "message", "field"),
    [
        ({}, "needs `reduction` or `pool`", None),
        ({"reduction": 2, "pool": Size(2, 2)}, "not both", "pool"),
        ({"reduction": 5}, "leave something", "reduction"),
        ({"pool": Size(4, 7)}, "not be larger", "pool"),
        ({"reduction": 2, "window": Size(3, 4)}, "must be odd", "window"),
        ({"reduction": 2, "head_dim": 5}, "divide the channels", "head_dim"),
    ],
)
def test_refuses_fields_that_do_not_fit(fields: dict[str, object], message: str, field: str | None) -> None:
    x = FeatureMap(24, Size(4, 6))
    with pytest.raises(Refused, match=message) as refusal:
        shape_at(resolved("aggregated", fields, x), x)
    assert refusal.value.field == field
    assert refusal.value.help or field == "head_dim"


def test_refuses_a_vector() -> None:
    x = FeatureMap(24, None)
    with pytest.raises(Refused):
        shape_at(resolved("aggregated", {"reduction": 2}, x), x)
