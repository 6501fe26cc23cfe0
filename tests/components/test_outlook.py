"""`outlook`: the suite, its mathematics window by window, its start values, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_STATE = ("v.weight", "attn.weight", "attn.bias", "proj.weight", "proj.bias")


class TestOutlook(ComponentSuite):
    component = "outlook"
    cases = (
        Case(FeatureMap(8, Size(6, 4)), {"heads": 2}, state=_STATE),
        Case(FeatureMap(6, Size(5, 7)), {"kernel": Size(3, 5), "stride": Size(2, 3), "head_dim": 2}, state=_STATE),
        Case(FeatureMap(4, Size(3, 2)), {"kernel": Size(3, 3), "stride": Size(1, 1), "heads": 4}, state=_STATE),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], heads: int) -> Tensor:
    """One image [C, H, W]: one window, one head and one place of it at a time."""
    channels, height, width = x.shape
    d = channels // heads
    places = kernel[0] * kernel[1]
    v = torch.einsum("oc,chw->ohw", module.v.weight, x)
    added = torch.zeros_like(x)
    for top in range(0, height, stride[0]):
        for left in range(0, width, stride[1]):
            # slices end at the rim of the map, so that the mean is that of the positions that there are
            middle = x[:, top : top + stride[0], left : left + stride[1]].mean((1, 2))
            logits = (module.attn.weight @ middle + module.attn.bias).reshape(heads, places, places)
            window = [(top + i - kernel[0] // 2, left + j - kernel[1] // 2) for i in range(kernel[0]) for j in range(kernel[1])]
            there = [0 <= row < height and 0 <= column < width for row, column in window]
            for head in range(heads):
                own = slice(head * d, (head + 1) * d)
                values = [
                    v[own, row, column] if inside else torch.zeros(d, dtype=x.dtype)
                    for (row, column), inside in zip(window, there, strict=True)
                ]
                for place, ((row, column), inside) in enumerate(zip(window, there, strict=True)):
                    if inside:
                        weights = (logits[head, place] / d**0.5).softmax(0)
                        added[own, row, column] += sum(w * value for w, value in zip(weights, values, strict=True))
    return torch.einsum("oc,chw->ohw", module.proj.weight, added) + module.proj.bias[:, None, None]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "heads"),
    [
        ((4, 6), (3, 3), (2, 2), 2),
        ((5, 7), (3, 3), (2, 2), 6),
        ((3, 4), (3, 3), (1, 1), 3),
        ((4, 5), (3, 5), (3, 2), 1),
        ((3, 3), (1, 3), (1, 3), 2),
        ((1, 2), (3, 3), (2, 2), 1),
    ],
)
def test_is_a_sum_over_windows(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], heads: int) -> None:
    x = FeatureMap(6, Size(*size))
    torch.manual_seed(3)
    fields = {"kernel": Size(*kernel), "stride": Size(*stride), "heads": heads}
    module = instantiate(resolved("outlook", fields, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, kernel, stride, heads) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_overlapping_windows_add_up() -> None:
    # logits of zero: a place gets the mean of each window that it lies in, and what lies outside the map counts as zero
    x = FeatureMap(2, Size(6, 6))
    module = instantiate(resolved("outlook", {"heads": 1}, x), x)
    with torch.no_grad():
        for value in module.parameters():
            value.zero_()
        module.v.weight.copy_(torch.eye(2))
        module.proj.weight.copy_(torch.eye(2))
        out = module(torch.ones(1, 2, 6, 6))[0, 0]
    # an even row lies in the middle of one window, an odd row in two
    assert out[2, 2].item() == pytest.approx(1)
    assert out[2, 3].item() == pytest.approx(2)
    assert out[3, 3].item() == pytest.approx(4)
    assert out[1, 2].item() == pytest.approx(1 + 6 / 9)
    assert out[0, 0].item() == pytest.approx(4 / 9)


def test_starts_as_published() -> None:
    x = FeatureMap(96, Size(2, 2))
    torch.manual_seed(3)
    module = instantiate(resolved("outlook", {"head_dim": 32}, x), x)
    assert module.v.bias is None
    for weight in (module.v.weight, module.attn.weight, module.proj.weight):
        assert weight.mean().item() == pytest.approx(0, abs=1e-3)
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module.attn.bias.any()
    assert not module.proj.bias.any()


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({}, None, "needs `heads` or `head_dim`"),
        ({"heads": 2, "head_dim": 4}, "head_dim", "not both"),
        ({"heads": 3}, "heads", "divide the channels"),
        ({"heads": 2, "kernel": Size(3, 2)}, "kernel", "must be odd"),
        ({"heads": 2, "stride": Size(2, 4)}, "stride", "no gap"),
    ],
)
def test_refuses_what_does_not_fit(fields: dict[str, object], field: str | None, message: str) -> None:
    x = FeatureMap(8, Size(4, 4))
    with pytest.raises(Refused, match=message) as refusal:
        shape_at(resolved("outlook", fields, x), x)
    assert refusal.value.field == field


def test_refuses_what_is_no_map() -> None:
    with pytest.raises(Refused, match="needed"):
        shape_at(resolved("outlook", {"heads": 2}, FeatureMap(8, None)), FeatureMap(8, None))
