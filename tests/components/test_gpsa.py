"""`gpsa`: the suite, its mathematics pair by pair, its start as a convolution, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.components.token.gpsa.module import relative_steps
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_STATE = ("gating_param", "qk.weight", "v.weight", "proj.weight", "proj.bias", "pos_proj.weight", "pos_proj.bias")


class TestGpsa(ComponentSuite):
    component = "gpsa"
    cases = (
        Case(FeatureMap(8, Size(4, 4)), {"heads": 4}, state=_STATE),
        Case(FeatureMap(6, Size(3, 5)), {"head_dim": 2, "locality": 0.5}, state=_STATE),
        Case(FeatureMap(9, Size(2, 3)), {"heads": 9, "locality": 0.0}, state=_STATE),
    )


def _made(x: FeatureMap, **fields: object) -> torch.nn.Module:
    torch.manual_seed(3)
    return instantiate(resolved("gpsa", fields, x), x)


def _by_loops(module: torch.nn.Module, x: Tensor, heads: int) -> Tensor:
    """One image [C, H, W]: one head and one query at a time."""
    channels, height, width = x.shape
    d = channels // heads
    tokens = x.flatten(1)
    where = [(row, column) for row in range(height) for column in range(width)]
    q, k = (module.qk.weight @ tokens).split(channels)
    v = module.v.weight @ tokens
    out = torch.zeros_like(tokens)
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        gate = 1 / (1 + torch.exp(-module.gating_param[head]))
        for i, (row, column) in enumerate(where):
            steps = [(b - column, a - row, (b - column) ** 2 + (a - row) ** 2) for a, b in where]
            position = [
                sum(w * step for w, step in zip(module.pos_proj.weight[head], three, strict=True)) + module.pos_proj.bias[head]
                for three in steps
            ]
            content = (q[own, i] @ k[own]) / d**0.5
            weights = (1 - gate) * content.softmax(0) + gate * torch.stack(position).softmax(0)
            out[own, i] = v[own] @ (weights / weights.sum())
    return (module.proj.weight @ out + module.proj.bias[:, None]).reshape(x.shape)


@pytest.mark.parametrize(("size", "heads"), [((3, 3), 4), ((2, 5), 3), ((4, 1), 1), ((1, 1), 2), ((2, 8), 12)])
def test_blends_content_with_position(size: tuple[int, int], heads: int) -> None:
    x = FeatureMap(12, Size(*size))
    module = _made(x, heads=heads).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, heads) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_steps_lead_from_the_query_to_the_key() -> None:
    steps = relative_steps((2, 3), torch.zeros(1)).reshape(2, 3, 2, 3, 3)
    assert steps[0, 0, 1, 2].tolist() == [2, 1, 5]
    assert steps[1, 2, 0, 0].tolist() == [-2, -1, 5]
    assert steps[1, 0, 1, 2].tolist() == [2, 0, 4]


def test_one_module_serves_all_sizes() -> None:
    module = _made(FeatureMap(8, Size(4, 5)), heads=4).eval()
    other = FeatureMap(8, Size(2, 7))
    built = _made(other, heads=4).eval()
    built.load_state_dict(module.state_dict())
    images = torch.randn(2, *other.shape)
    with torch.no_grad():
        assert torch.equal(module(images), built(images))


@pytest.mark.parametrize("heads", [1, 4, 9, 16])
def test_starts_as_published(heads: int) -> None:
    x = FeatureMap(48 * heads, Size(2, 2))
    module = _made(x, heads=heads, locality=0.7)
    assert torch.equal(module.gating_param, torch.ones(heads))
    assert torch.equal(module.v.weight, torch.eye(48 * heads))
    for weight in (module.qk.weight, module.proj.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module.proj.bias.any()
    assert not module.pos_proj.bias.any()
    side = round(heads**0.5)
    middle = (side - 1) / 2
    for head, (right, down, squared) in enumerate(module.pos_proj.weight.tolist()):
        # twice the place, minus the squared distance: largest at the place
        assert right == pytest.approx(0.7 * 2 * (head // side - middle), abs=1e-6)
        assert down == pytest.approx(0.7 * 2 * (head % side - middle), abs=1e-6)
        assert squared == pytest.approx(-0.7)


def test_each_head_looks_at_a_place_of_its_own_at_first() -> None:
    size = (7, 7)
    module = _made(FeatureMap(9, Size(*size)), heads=9)
    logits = module.pos_proj(relative_steps(size, module.pos_proj.weight)).reshape(7, 7, 7, 7, 9)
    seen = [divmod(int(logits[3, 3, :, :, head].argmax()), 7) for head in range(9)]
    assert seen == [(3 + down, 3 + right) for right in (-1, 0, 1) for down in (-1, 0, 1)]


def test_heads_beyond_the_square_start_without_a_place() -> None:
    module = _made(FeatureMap(12, Size(2, 2)), heads=6)
    weights = module.pos_proj.weight
    assert weights[:4, 2].tolist() == [-1, -1, -1, -1]
    assert weights[4:].abs().max().item() < 0.1
    assert weights[4:].all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs `heads` or `head_dim`"),
        ({"heads": 2, "head_dim": 4}, "not both"),
        ({"heads": 3}, "divide the channels"),
    ],
)
def test_refuses_fields_that_do_not_fit(fields: dict[str, object], message: str) -> None:
    x = FeatureMap(8, Size(3, 3))
    with pytest.raises(Refused, match=message):
        shape_at(resolved("gpsa", fields, x), x)


@pytest.mark.parametrize("x", [FeatureMap(8, None), FeatureMap(8, Size(3, 3), (Tokens("class", 1),))])
def test_refuses_what_is_no_bare_grid(x: FeatureMap) -> None:
    with pytest.raises(Refused, match="needed"):
        shape_at(resolved("gpsa", {"heads": 2}, x), x)
