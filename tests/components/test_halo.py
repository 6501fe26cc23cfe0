"""`halo`: the suite, its mathematics position by position, its start values, and what it refuses."""

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

_STATE = ("q.weight", "kv.weight", "pos_embed.height_rel", "pos_embed.width_rel")


class TestHalo(ComponentSuite):
    component = "halo"
    cases = (
        Case(FeatureMap(8, Size(4, 6)), {"block": Size(2, 2), "halo": 1, "heads": 2}, state=_STATE),
        Case(
            FeatureMap(6, Size(8, 4)),
            {"block": Size(4, 2), "halo": 2, "head_dim": 2, "value_ratio": 2.5, "stride": 2},
            state=_STATE,
        ),
        # a stride that does not divide the blocks averages
        Case(FeatureMap(8, Size(6, 9)), {"block": Size(3, 3), "halo": 2, "heads": 8, "stride": 2}, state=_STATE),
        Case(FeatureMap(5, Size(3, 5)), {"block": Size(1, 5), "halo": 0, "heads": 1, "value_ratio": 0.4}, state=_STATE),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, block: tuple[int, int], halo: int, step: int) -> Tensor:
    """One image [C, H, W], one head, query and key at a time; `step` positions from one query to the next."""
    _, height, width = x.shape
    window = (block[0] + 2 * halo, block[1] + 2 * halo)
    rows, columns = module.pos_embed.height_rel, module.pos_embed.width_rel
    q = torch.einsum("oc,chw->ohw", module.q.weight[:, :, 0, 0], x[:, ::step, ::step])
    kv = torch.einsum("oc,chw->ohw", module.kv.weight[:, :, 0, 0], x)
    d = rows.shape[1]
    heads = len(q) // d
    own = len(kv) // heads
    out = torch.zeros(heads * (own - d), height // step, width // step, dtype=x.dtype)
    for head in range(heads):
        k, v = kv[head * own : head * own + d], kv[head * own + d : (head + 1) * own]
        for row in range(height // step):
            for column in range(width // step):
                query = q[head * d : (head + 1) * d, row, column]
                # the place of the query among the queries of its block, and the corner of its window in the map
                i, j = row % (block[0] // step), column % (block[1] // step)
                top = row * step // block[0] * block[0] - halo
                left = column * step // block[1] * block[1] - halo
                logits, values = [], []
                for a in range(window[0]):
                    for b in range(window[1]):
                        inside = 0 <= top + a < height and 0 <= left + b < width
                        relative = query @ rows[a - i + window[0] - 1] + query @ columns[b - j + window[1] - 1]
                        content = query @ k[:, top + a, left + b] if inside else torch.zeros((), dtype=x.dtype)
                        logits.append(content / d**0.5 + relative)
                        values.append(v[:, top + a, left + b] if inside else torch.zeros(own - d, dtype=x.dtype))
                place = slice(head * (own - d), (head + 1) * (own - d))
                out[place, row, column] = torch.stack(logits).softmax(0) @ torch.stack(values)
    return out


def _drawn(x: FeatureMap, fields: dict[str, object]) -> torch.nn.Module:
    torch.manual_seed(3)
    module = instantiate(resolved("halo", fields, x), x).double()
    for value in module.parameters():
        torch.nn.init.normal_(value, std=0.5)
    return module


@pytest.mark.parametrize(
    ("size", "block", "halo", "heads", "ratio", "stride"),
    [
        ((4, 6), (2, 2), 1, 2, 1, 1),
        ((4, 4), (2, 4), 3, 3, 2.5, 1),
        ((4, 8), (2, 4), 2, 1, 0.5, 2),
        ((6, 3), (3, 3), 1, 6, 1, 3),
        ((2, 3), (1, 3), 0, 2, 1, 1),
    ],
)
def test_is_attention_of_blocks_to_windows(
    size: tuple[int, int], block: tuple[int, int], halo: int, heads: int, ratio: float, stride: int
) -> None:
    x = FeatureMap(12, Size(*size))
    module = _drawn(x, {"block": Size(*block), "halo": halo, "heads": heads, "value_ratio": ratio, "stride": stride})
    with torch.no_grad():
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, block, halo, stride) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("size", "block"), [((6, 6), (3, 3)), ((9, 4), (3, 2))])
def test_a_stride_that_does_not_divide_blocks_averages(size: tuple[int, int], block: tuple[int, int]) -> None:
    x = FeatureMap(4, Size(*size))
    module = _drawn(x, {"block": Size(*block), "halo": 1, "heads": 2, "stride": 2})
    with torch.no_grad():
        image = torch.randn(*x.shape, dtype=torch.float64)
        expected = F.avg_pool2d(_by_loops(module, image, block, 1, 1)[None], 2)
        torch.testing.assert_close(module(image[None]), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("stride", "dead"), [(1, 2), (2, 4)])
def test_the_first_rows_of_the_tables_are_never_read(stride: int, dead: int) -> None:
    # queries i = 0 .. side - 1 read rows window - side .. 2 * window - 2
    x = FeatureMap(4, Size(8, 8))
    module = _drawn(x, {"block": Size(4, 4), "halo": 1, "heads": 2, "stride": stride})
    module(torch.randn(1, *x.shape, dtype=torch.float64)).square().sum().backward()
    for table in (module.pos_embed.height_rel, module.pos_embed.width_rel):
        assert table.grad.any(dim=1).tolist() == [False] * dead + [True] * (11 - dead)


def test_the_start_is_as_published() -> None:
    x = FeatureMap(256, Size(8, 8))
    torch.manual_seed(0)
    module = instantiate(resolved("halo", {"block": Size(8, 8), "halo": 3, "heads": 4, "value_ratio": 2.0}, x), x)
    assert module.q.weight.std().item() == pytest.approx(256**-0.5, rel=0.02)
    assert module.kv.weight.std().item() == pytest.approx(256**-0.5, rel=0.02)
    for table in (module.pos_embed.height_rel, module.pos_embed.width_rel):
        assert table.shape == (27, 64)
        assert table.std().item() == pytest.approx(64**-0.5, rel=0.1)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"heads": 2}, "block", "divisible by 3x3"),
        ({"block": Size(7, 4)}, None, "needs `heads` or `head_dim`"),
        ({"block": Size(7, 4), "heads": 2, "head_dim": 4}, "head_dim", "not both"),
        ({"block": Size(7, 4), "heads": 3}, "heads", "divide the channels"),
        ({"block": Size(7, 4), "heads": 2, "value_ratio": 0.3}, "value_ratio", "multiple of the heads"),
        ({"block": Size(7, 4), "heads": 2, "value_ratio": 0.375}, "value_ratio", "multiple of the heads"),
        ({"block": Size(7, 4), "heads": 2, "stride": 9}, "stride", "must fit"),
    ],
)
def test_refuses_what_does_not_fit(fields: dict[str, object], field: str | None, message: str) -> None:
    x = FeatureMap(8, Size(7, 8))
    with pytest.raises(Refused, match=message) as refusal:
        shape_at(resolved("halo", {"block": Size(3, 3), "halo": 1, **fields}, x), x)
    assert refusal.value.field == field
    assert refusal.value.help or field == "heads"


def test_the_refusal_of_a_map_says_what_would_do() -> None:
    x = FeatureMap(8, Size(7, 7))
    with pytest.raises(Refused) as refusal:
        shape_at(resolved("halo", {"block": Size(8, 8), "halo": 3, "heads": 2}, x), x)
    assert refusal.value.label == "the map is 7x7 here"
    assert "`block` that divides" in refusal.value.help


@pytest.mark.parametrize(
    ("channels", "fields", "reason"),
    [
        (128, {"heads": 1, "value_ratio": 2.0}, None),
        (130, {"heads": 1}, "the keys of a head have 130 channels, the kernel takes 128 at most"),
        (128, {"heads": 1, "value_ratio": 2.5}, "the values of a head have 320 channels, the kernel takes 256 at most"),
        (128, {"heads": 2, "halo": 31}, "the window has 66 positions along a side, the kernel takes 64 at most"),
        (64, {"heads": 1, "halo": 30}, None),
        (128, {"heads": 1, "halo": 14}, None),
        (
            128,
            {"heads": 1, "halo": 15},
            "the window has 34 positions along a side and the keys of a head 128 channels, with over 32 positions the kernel "
            "takes 64 channels at most",
        ),
    ],
)
def test_the_kernel_says_what_it_does_not_take(channels: int, fields: dict[str, object], reason: str | None) -> None:
    x = FeatureMap(channels, Size(4, 4))
    module = instantiate(resolved("halo", {"block": Size(4, 4), "halo": 1, **fields}, x), x)
    assert module.declined == reason
