"""`window_attention`: the suite, and its mathematics window by window."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite

_PROJ = ("proj.weight", "proj.bias")


class TestWindowAttention(ComponentSuite):
    component = "window_attention"
    cases = (
        Case(FeatureMap(8, Size(6, 9)), {"window": Size(3, 3), "head_dim": 4}, state=("qkv.weight", "qkv.bias", *_PROJ)),
        Case(
            FeatureMap(8, Size(5, 4)),
            {"window": Size(7, 3), "head_dim": 2, "qkv_bias": False},
            state=("qkv.weight", *_PROJ),
        ),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, window: tuple[int, int], heads: int) -> Tensor:
    """One image [C, H, W], one window and one head at a time; positions outside the map are zero before the projection."""
    channels, height, width = x.shape
    d = channels // heads
    bias = torch.zeros(3 * channels, dtype=x.dtype) if module.qkv.bias is None else module.qkv.bias
    out = torch.zeros_like(x)
    for top in range(0, height, window[0]):
        for left in range(0, width, window[1]):
            places = [(top + i, left + j) for i in range(window[0]) for j in range(window[1])]
            inside = [row < height and column < width for row, column in places]
            tokens = torch.stack(
                [
                    x[:, row, column] if there else torch.zeros(channels, dtype=x.dtype)
                    for (row, column), there in zip(places, inside, strict=True)
                ]
            )
            q, k, v = (tokens @ module.qkv.weight.T + bias).split(channels, dim=1)
            parts = []
            for head in range(heads):
                own = slice(head * d, (head + 1) * d)
                parts.append((q[:, own] @ k[:, own].T / d**0.5).softmax(-1) @ v[:, own])
            y = torch.cat(parts, dim=1) @ module.proj.weight.T + module.proj.bias
            for (row, column), there, value in zip(places, inside, y, strict=True):
                if there:
                    out[:, row, column] = value
    return out


@pytest.mark.parametrize(
    ("size", "window", "heads"),
    [((6, 9), (3, 3), 2), ((5, 8), (3, 3), 3), ((4, 7), (2, 5), 1), ((2, 3), (7, 7), 4)],
)
def test_is_attention_in_each_window(size: tuple[int, int], window: tuple[int, int], heads: int) -> None:
    x = FeatureMap(12, Size(*size))
    torch.manual_seed(3)
    module = instantiate(resolved("window_attention", {"window": Size(*window), "head_dim": 12 // heads}, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, window, heads) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)
