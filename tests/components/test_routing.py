"""`routing`: the suite, and its mathematics against a formulation by loops."""

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

_PLAIN = ("qkv.weight", "qkv.bias", "proj.weight", "proj.bias")


class TestRouting(ComponentSuite):
    component = "routing"
    cases = (
        Case(FeatureMap(8, Size(14, 7)), {"topk": 3, "head_dim": 4}, state=_PLAIN),
        Case(
            FeatureMap(6, Size(6, 8)),
            {"topk": 2, "regions": Size(3, 2), "head_dim": 3, "lepe": Size(5, 3)},
            state=(*_PLAIN, "lepe.weight", "lepe.bias"),
        ),
        Case(FeatureMap(8, Size(5, 9)), {"topk": 6, "regions": Size(2, 3), "head_dim": 8, "pad": True}, state=_PLAIN),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, regions: tuple[int, int], topk: int, heads: int) -> Tensor:
    """One image [C, H, W], one region and one head at a time."""
    channels, height, width = x.shape
    rows, columns = regions
    x = F.pad(x, (0, -width % columns, 0, -height % rows))
    h, w = x.shape[1] // rows, x.shape[2] // columns
    qkv = torch.einsum("oc,chw->ohw", module.qkv.weight, x) + module.qkv.bias[:, None, None]
    q, k, v = qkv.split(channels)

    def region(part: Tensor, index: int) -> Tensor:
        j, i = divmod(index, columns)
        return part[:, j * h : (j + 1) * h, i * w : (i + 1) * w].reshape(channels, -1).T

    count, d = rows * columns, channels // heads
    out = torch.zeros_like(x)
    for index in range(count):
        query = region(q, index)
        likeness = torch.stack([query.mean(0) @ region(k, other).mean(0) for other in range(count)])
        chosen = likeness.argsort(descending=True)[:topk].tolist()
        keys = torch.cat([region(k, other) for other in chosen])
        values = torch.cat([region(v, other) for other in chosen])
        y = torch.cat(
            [
                (query[:, s] @ keys[:, s].T / channels**0.5).softmax(-1) @ values[:, s]
                for s in (slice(head * d, (head + 1) * d) for head in range(heads))
            ],
            dim=1,
        )
        j, i = divmod(index, columns)
        out[:, j * h : (j + 1) * h, i * w : (i + 1) * w] = y.T.reshape(channels, h, w)
    if module.lepe is not None:
        kernel = module.lepe.weight.shape[-2:]
        out = out + F.conv2d(v[None], module.lepe.weight, module.lepe.bias, 1, (kernel[0] // 2, kernel[1] // 2), 1, channels)[0]
    y = torch.einsum("oc,chw->ohw", module.proj.weight, out) + module.proj.bias[:, None, None]
    return y[:, :height, :width]


@pytest.mark.parametrize(
    ("size", "regions", "topk", "heads", "pad", "lepe"),
    [
        ((14, 7), (7, 7), 1, 2, False, None),
        ((6, 9), (2, 3), 4, 3, False, Size(5, 5)),
        ((5, 7), (2, 3), 2, 1, True, Size(3, 5)),
        ((9, 4), (4, 4), 16, 6, True, None),
        ((3, 3), (5, 5), 3, 2, True, Size(3, 3)),
    ],
)
def test_is_the_sum_over_routed_regions(
    size: tuple[int, int], regions: tuple[int, int], topk: int, heads: int, pad: bool, lepe: Size | None
) -> None:
    x = FeatureMap(12, Size(*size))
    fields = {"topk": topk, "regions": Size(*regions), "head_dim": 12 // heads, "pad": pad, "lepe": lepe}
    torch.manual_seed(3)
    module = instantiate(resolved("routing", fields, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, regions, topk, heads) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_the_routes_carry_no_gradient() -> None:
    # two positions in all, each its own region, routed to itself or to the other: what the routes depend on is no input of the
    # attention, so a change of the query that changes no route changes nothing where a softmax has one position to choose from
    x = FeatureMap(4, Size(1, 2))
    module = instantiate(resolved("routing", {"topk": 1, "regions": Size(1, 2), "head_dim": 4}, x), x).double()
    image = torch.randn(1, 4, 1, 2, dtype=torch.float64, requires_grad=True)
    module(image).square().sum().backward()
    queries, keys, values = module.qkv.weight.grad.chunk(3)
    assert not queries.any() and not keys.any()
    assert values.any()


def test_refuses_a_map_that_regions_do_not_divide() -> None:
    x = FeatureMap(32, Size(15, 14))
    with pytest.raises(Refused) as refusal:
        shape_at(resolved("routing", {"topk": 1}, x), x)
    assert refusal.value.field == "regions"
    assert "pad = true" in refusal.value.help
    assert shape_at(resolved("routing", {"topk": 1, "pad": True}, x), x) == x


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"topk": 50}, "topk"), ({"topk": 1, "lepe": Size(4, 5)}, "lepe"), ({"topk": 1, "head_dim": 20}, "head_dim")],
)
def test_refuses_fields_that_do_not_fit(fields: dict[str, object], field: str) -> None:
    x = FeatureMap(32, Size(14, 14))
    with pytest.raises(Refused) as refusal:
        shape_at(resolved("routing", fields, x), x)
    assert refusal.value.field == field
