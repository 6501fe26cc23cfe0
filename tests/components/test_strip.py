"""`strip`: the suite, and its mathematics head by head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_STATE = ("q.weight", "k.weight", "v.weight", "proj.weight", "proj.bias")


class TestStrip(ComponentSuite):
    component = "strip"
    cases = (
        Case(FeatureMap(8, Size(6, 4)), {"reduction": 2, "head_dim": 4}, state=("reduce.weight", *_STATE)),
        Case(FeatureMap(9, Size(5, 3)), {"head_dim": 3, "strip_dim": 2}, state=_STATE),
        Case(FeatureMap(6, Size(3, 9)), {"reduction": 3, "head_dim": 6, "strip_dim": 5}, state=("reduce.weight", *_STATE)),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, step: int, heads: int) -> Tensor:
    """One image [C, H, W], one head and one query at a time."""
    channels, height, width = x.shape
    tokens = x.flatten(1).T
    fewer = tokens
    if step > 1:
        kernel = module.reduce.weight[:, 0]
        patches = [
            (x[:, top : top + step, left : left + step] * kernel).sum((1, 2))
            for top in range(0, height, step)
            for left in range(0, width, step)
        ]
        fewer = torch.stack(patches)
    q, k, v = tokens @ module.q.weight.T, fewer @ module.k.weight.T, fewer @ module.v.weight.T
    c, d = q.shape[1] // heads, channels // heads
    out = torch.empty_like(tokens)
    for head in range(heads):
        for i in range(len(tokens)):
            query = q[i, head * c : (head + 1) * c]
            scores = torch.stack([query @ key[head * c : (head + 1) * c] for key in k]) / c**0.5
            out[i, head * d : (head + 1) * d] = scores.softmax(0) @ v[:, head * d : (head + 1) * d]
    return (out @ module.proj.weight.T + module.proj.bias).T.reshape(channels, height, width)


@pytest.mark.parametrize(
    ("size", "step", "strip_dim", "heads"), [((4, 6), 2, 1, 3), ((3, 3), 3, 4, 1), ((5, 2), 1, 2, 4), ((1, 1), 1, 1, 12)]
)
def test_attends_to_the_reduced_map(size: tuple[int, int], step: int, strip_dim: int, heads: int) -> None:
    x = FeatureMap(12, Size(*size))
    torch.manual_seed(3)
    fields = {"reduction": step, "strip_dim": strip_dim, "head_dim": 12 // heads}
    module = instantiate(resolved("strip", fields, x), x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, step, heads) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_starts_as_other_attentions_do() -> None:
    x = FeatureMap(64, Size(4, 4))
    torch.manual_seed(3)
    module = instantiate(resolved("strip", {"reduction": 2, "strip_dim": 32}, x), x)
    for part in (module.q, module.k, module.v, module.proj):
        assert part.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module.proj.bias.any()


def test_refuses_a_map_that_the_reduction_does_not_divide() -> None:
    x = FeatureMap(32, Size(14, 15))
    with pytest.raises(Refused, match="divisible by 2x2") as refusal:
        shape_at(resolved("strip", {"reduction": 2}, x), x)
    assert refusal.value.field == "reduction"
    assert "another `reduction`" in refusal.value.help
