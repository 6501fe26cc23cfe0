"""`attention`: the suite, and its mathematics head by head and window by window."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.components.relative_bias import expanded, resized
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at
from archdsl.testing.unseen import seen, unseen

_LINEAR = ("qkv.weight", "qkv.bias", "proj.weight", "proj.bias")


class TestAttention(ComponentSuite):
    component = "attention"
    cases = (
        Case(FeatureMap(8, Size(4, 5)), {"head_dim": 4}, state=_LINEAR),
        Case(
            FeatureMap(8, Size(4, 5)),
            {"heads": 4, "qkv_bias": False, "lepe": Size(3, 5), "lepe_of": "input"},
            state=("qkv.weight", "proj.weight", "proj.bias", "lepe.weight", "lepe.bias"),
        ),
        Case(FeatureMap(6, Size(4, 5)), {"heads": 1, "lepe": Size(5, 5)}, state=(*_LINEAR, "lepe.weight", "lepe.bias")),
        Case(FeatureMap(6, Size(4, 5)), {"heads": 2, "relative_bias": Size(3, 5)}, state=("relative_bias", *_LINEAR)),
        Case(
            FeatureMap(6, Size(6, 4)),
            {"head_dim": 3, "window": Size(3, 2), "relative_bias": Size(3, 2), "lepe": Size(3, 3)},
            state=("relative_bias", *_LINEAR, "lepe.weight", "lepe.bias"),
        ),
        Case(
            FeatureMap(6, Size(7, 7)),
            {"heads": 3, "window": Size(7, 7), "relative_bias": Size(2, 9)},
            state=("relative_bias", *_LINEAR),
        ),
    )


def _resized_by_hand(table: Tensor, size: tuple[int, int]) -> Tensor:
    """A table [heads, a, b] at another size: a place lies at the same share of the length, seen from the middle of its cell."""
    out = table
    for axis, length in ((1, size[0]), (2, size[1])):
        before = out.shape[axis]
        rows = []
        for index in range(length):
            at = min(max((index + 0.5) * before / length - 0.5, 0.0), before - 1.0)
            low = int(at)
            high = min(low + 1, before - 1)
            rows.append(out.select(axis, low) * (1 - (at - low)) + out.select(axis, high) * (at - low))
        out = torch.stack(rows, axis)
    return out


def _by_loops(module: torch.nn.Module, x: Tensor, heads: int, window: Size | None, of_input: bool) -> Tensor:
    """One image [C, H, W]: one head and one position at a time, each with the positions of its window."""
    channels, height, width = x.shape
    h, w = window or (height, width)
    bias = 0 if module.qkv.bias is None else module.qkv.bias
    q, k, v = (x.flatten(1).T @ module.qkv.weight.T + bias).reshape(height, width, 3, heads, -1).unbind(2)
    table = None
    if module.relative_bias is not None:
        table = _resized_by_hand(module.relative_bias, (2 * h - 1, 2 * w - 1))
    out = torch.zeros(height, width, heads, channels // heads, dtype=x.dtype)
    for head in range(heads):
        for row in range(height):
            for column in range(width):
                top, left = row - row % h, column - column % w
                keys = [(a, b) for a in range(top, top + h) for b in range(left, left + w)]
                logits = torch.stack([q[row, column, head] @ k[a, b, head] for a, b in keys]) / (channels // heads) ** 0.5
                if table is not None:
                    logits = logits + torch.stack([table[head, a - row + h - 1, b - column + w - 1] for a, b in keys])
                weights = logits.softmax(0)
                out[row, column, head] = sum(weight * v[a, b, head] for weight, (a, b) in zip(weights, keys, strict=True))
    tokens = out.reshape(height * width, channels)
    if module.lepe is not None:
        source = x if of_input else v.reshape(height, width, channels).permute(2, 0, 1)
        kernel = module.lepe.weight.shape[-2:]
        wide = F.pad(source, (kernel[1] // 2, kernel[1] // 2, kernel[0] // 2, kernel[0] // 2))
        tokens = tokens + F.conv2d(wide[None], module.lepe.weight, module.lepe.bias, groups=channels)[0].flatten(1).T
    return (tokens @ module.proj.weight.T + module.proj.bias).T.reshape(channels, height, width)


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        ((3, 5), {"heads": 1}),
        ((3, 5), {"heads": 3, "qkv_bias": False, "lepe": Size(5, 5), "lepe_of": "input"}),
        ((3, 5), {"heads": 6, "lepe": Size(3, 1)}),
        ((4, 6), {"heads": 2, "window": Size(2, 3)}),
        ((4, 6), {"heads": 4, "window": Size(4, 1), "lepe": Size(3, 3)}),
        ((3, 4), {"heads": 3, "relative_bias": Size(3, 4)}),
        ((3, 4), {"heads": 3, "relative_bias": Size(2, 2)}),
        ((3, 4), {"heads": 2, "relative_bias": Size(1, 7)}),
        ((6, 4), {"heads": 2, "window": Size(3, 4), "relative_bias": Size(3, 4)}),
        ((6, 4), {"heads": 3, "window": Size(2, 2), "relative_bias": Size(3, 1), "qkv_bias": False}),
    ],
)
def test_is_a_sum_over_the_positions_of_a_window(size: tuple[int, int], fields: dict[str, object]) -> None:
    x = FeatureMap(12, Size(*size))
    torch.manual_seed(3)
    module = instantiate(resolved("attention", fields, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        heads, window, of_input = fields["heads"], fields.get("window"), fields.get("lepe_of") == "input"
        expected = torch.stack([_by_loops(module, image, heads, window, of_input) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_a_table_is_written_out_by_relative_position() -> None:
    h, w = 3, 2
    table = torch.arange(2 * 5 * 3).reshape(2, 5, 3)
    pairs = expanded(table, (h, w)).reshape(2, h, w, h, w)
    for i in range(h):
        for j in range(w):
            for x in range(h):
                for y in range(w):
                    assert torch.equal(pairs[:, i, j, x, y], table[:, x - i + h - 1, y - j + w - 1])


def test_a_table_that_fits_is_taken_as_it_is() -> None:
    table = torch.randn(2, 5, 3)
    assert resized(table, (3, 2)) is table
    assert resized(table, (2, 3)).shape == (2, 3, 5)


def test_one_module_serves_all_sizes() -> None:
    x = FeatureMap(6, Size(4, 5))
    spec = resolved("attention", {"heads": 2, "relative_bias": Size(3, 3)}, x)
    torch.manual_seed(3)
    module = instantiate(spec, x).eval()
    other = FeatureMap(6, Size(2, 7))
    built = instantiate(spec, other).eval()
    built.load_state_dict(module.state_dict())
    images = torch.randn(2, *other.shape)
    torch.testing.assert_close(module(images), built(images))


def test_starts_as_published() -> None:
    x = FeatureMap(64, Size(2, 2))
    torch.manual_seed(3)
    module = instantiate(resolved("attention", {"head_dim": 16, "relative_bias": Size(14, 14)}, x), x)
    for weight in (module.relative_bias, module.qkv.weight, module.proj.weight):
        assert weight.mean().item() == pytest.approx(0, abs=1.5e-3)
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module.qkv.bias.any()
    assert not module.proj.bias.any()


@pytest.mark.parametrize("size", [None, Size(3, 4)])
def test_tokens_attend_to_all_tokens(size: Size | None) -> None:
    x = FeatureMap(6, size, (Tokens("class", 1), Tokens("registers", 4)))
    spec = resolved("attention", {"heads": 2}, x)
    assert shape_at(spec, x) == x
    torch.manual_seed(3)
    module = instantiate(spec, x).double().eval()
    tokens = torch.randn(2, *x.shape, dtype=torch.float64)
    as_a_map = FeatureMap(6, Size(1, x.positions))
    with torch.no_grad():
        torch.testing.assert_close(module(tokens), module(tokens[:, :, None])[:, :, 0])
    module.float()
    one = torch.randn(1, *x.shape)
    assert spec.cost(x) == spec.cost(as_a_map)
    assert seen(module, one)[0] == spec.cost(x).ops
    assert unseen(module, one) == spec.cost(x).unseen


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs `heads` or `head_dim`"),
        ({"heads": 2, "head_dim": 4}, "not both"),
        ({"heads": 3}, "divide the channels"),
        ({"heads": 2, "lepe": Size(3, 2)}, "must be odd"),
        ({"heads": 2, "window": Size(2, 3)}, "must be divisible by 2x3"),
        ({"heads": 2, "window": Size(6, 6)}, "must be divisible by 6x6"),
    ],
)
def test_refuses_fields_that_do_not_fit(fields: dict[str, object], message: str) -> None:
    x = FeatureMap(8, Size(3, 3))
    with pytest.raises(Refused, match=message):
        shape_at(resolved("attention", fields, x), x)


@pytest.mark.parametrize("fields", [{"window": Size(3, 3)}, {"relative_bias": Size(3, 3)}, {"lepe": Size(3, 3)}])
def test_what_needs_the_grid_alone_refuses_tokens_beside_it(fields: dict[str, object]) -> None:
    x = FeatureMap(8, Size(3, 3), (Tokens("class", 1),))
    with pytest.raises(Refused, match="nothing beside"):
        shape_at(resolved("attention", {"heads": 2, **fields}, x), x)


def test_refuses_what_has_no_positions() -> None:
    for x in (FeatureMap(8, None), FeatureMap(8, None, (Tokens("class", 1),))):
        with pytest.raises(Refused, match=r"needed|more than one token"):
            shape_at(resolved("attention", {"heads": 2}, x), x)
