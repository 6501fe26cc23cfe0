"""`class_attention`: the suite, its mathematics token by token, its start values, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

CLASS, REGISTERS = Tokens("class", 1), Tokens("registers", 2)
_STATE = ("q.weight", "kv.weight", "proj.weight", "proj.bias")


class TestClassAttention(ComponentSuite):
    component = "class_attention"
    cases = (
        Case(FeatureMap(8, Size(3, 5), (CLASS,)), {"heads": 2}, state=_STATE),
        Case(FeatureMap(6, Size(2, 2), (REGISTERS, CLASS)), {"head_dim": 2}, state=_STATE),
        Case(FeatureMap(6, None, (CLASS, REGISTERS)), {"heads": 6}, state=_STATE),
    )


def _by_loops(module: torch.nn.Module, x: Tensor, place: int, heads: int) -> Tensor:
    """One image [C, N], one head and one token at a time."""
    channels = len(x)
    d = channels // heads
    out = []
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        query = module.q.weight[own] @ x[:, place]
        keys = [module.kv.weight[:channels][own] @ token for token in x.T]
        values = [module.kv.weight[channels:][own] @ token for token in x.T]
        weights = torch.stack([query @ key for key in keys]).div(d**0.5).softmax(0)
        out.append(sum(weight * value for weight, value in zip(weights, values, strict=True)))
    return module.proj.weight @ torch.cat(out) + module.proj.bias


@pytest.mark.parametrize(
    ("tokens", "place", "heads"), [((CLASS,), 0, 2), ((CLASS, REGISTERS), 0, 3), ((REGISTERS, CLASS), 2, 6)]
)
def test_the_class_token_attends_to_all(tokens: tuple[Tokens, ...], place: int, heads: int) -> None:
    x = FeatureMap(6, Size(2, 3), tokens)
    spec = resolved("class_attention", {"heads": heads}, x)
    assert shape_at(spec, x) == FeatureMap(6, None, (CLASS,))
    torch.manual_seed(3)
    module = instantiate(spec, x).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image, place, heads) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_starts_as_published() -> None:
    x = FeatureMap(96, Size(2, 2), (CLASS,))
    torch.manual_seed(3)
    module = instantiate(resolved("class_attention", {"heads": 3}, x), x)
    assert module.q.bias is None
    assert module.kv.bias is None
    for weight in (module.q.weight, module.kv.weight, module.proj.weight):
        assert weight.mean().item() == pytest.approx(0, abs=1e-3)
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module.proj.bias.any()


@pytest.mark.parametrize(
    ("fields", "x", "message"),
    [
        ({}, FeatureMap(8, Size(2, 2), (CLASS,)), "needs `heads` or `head_dim`"),
        ({"heads": 2, "head_dim": 4}, FeatureMap(8, Size(2, 2), (CLASS,)), "not both"),
        ({"heads": 3}, FeatureMap(8, Size(2, 2), (CLASS,)), "divide the channels"),
        ({"heads": 2}, FeatureMap(8, Size(2, 2)), "needs a class token"),
        ({"heads": 2}, FeatureMap(8, Size(2, 2), (REGISTERS,)), "needs a class token"),
        ({"heads": 2}, FeatureMap(8, None), "needs a class token"),
        ({"heads": 2}, FeatureMap(8, None, (CLASS,)), "more than one token"),
    ],
)
def test_refuses_what_does_not_fit(fields: dict[str, object], x: FeatureMap, message: str) -> None:
    with pytest.raises(Refused, match=message):
        shape_at(resolved("class_attention", fields, x), x)
