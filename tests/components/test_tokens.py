"""`class_token`, `registers`, `position_table`, `select`: the suites, and where each token goes."""

from __future__ import annotations

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

GRID = FeatureMap(6, Size(3, 5))
CLASS, REGISTERS = Tokens("class", 1), Tokens("registers", 3)
MIXED = GRID.with_tokens(CLASS, REGISTERS)


class TestClassToken(ComponentSuite):
    component = "class_token"
    cases = (
        Case(GRID, state=("weight",)),
        Case(GRID.with_tokens(REGISTERS), state=("weight",)),
    )


class TestRegisters(ComponentSuite):
    component = "registers"
    cases = (
        Case(GRID, {"count": 2}, state=("weight",)),
        Case(GRID.with_tokens(CLASS), {"count": 3}, state=("weight",)),
    )


class TestPositionTable(ComponentSuite):
    component = "position_table"
    cases = (
        Case(GRID, state=("weight",)),
        Case(MIXED, state=("weight",)),
    )


class TestSelect(ComponentSuite):
    component = "select"
    cases = (
        Case(MIXED, {"tokens": "class"}),
        Case(MIXED, {"tokens": "registers"}),
        Case(MIXED, {"tokens": "patches"}),
        Case(GRID, {"tokens": "patches"}),
    )


def _made(name: str, x: FeatureMap, **fields: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return instantiate(resolved(name, fields, x), x)


def test_new_tokens_stand_between_the_earlier_ones_and_the_grid() -> None:
    images = torch.randn(2, *GRID.shape)
    first = _made("class_token", GRID)
    second = _made("registers", GRID.with_tokens(CLASS), count=3)
    out = second(first(images))
    assert out.shape == (2, *MIXED.shape) == (2, 6, 1 + 3 + 15)
    assert torch.equal(out[..., 0], first.weight.expand(2, -1))
    assert torch.equal(out[..., 1:4], second.weight.t().expand(2, -1, -1))
    assert torch.equal(out[..., 4:].reshape(images.shape), images)


def test_selected_tokens_are_those_that_were_added() -> None:
    tokens = torch.randn(2, *MIXED.shape)
    assert torch.equal(_made("select", MIXED, tokens="class")(tokens), tokens[..., 0])
    assert torch.equal(_made("select", MIXED, tokens="registers")(tokens), tokens[..., 1:4])
    assert torch.equal(_made("select", MIXED, tokens="patches")(tokens), tokens[..., 4:].reshape(2, *GRID.shape))


def test_a_table_has_a_vector_for_each_position() -> None:
    images = torch.randn(2, *GRID.shape)
    table = _made("position_table", GRID)
    for row in range(3):
        for column in range(5):
            assert torch.equal(table(images)[:, :, row, column], images[:, :, row, column] + table.weight[row, column])
    tokens = torch.randn(2, *MIXED.shape)
    listed = _made("position_table", MIXED)
    assert torch.equal(listed(tokens), tokens + listed.weight.t())


@pytest.mark.parametrize("name, fields", [("class_token", {}), ("registers", {"count": 40}), ("position_table", {})])
def test_weights_start_as_published(name: str, fields: dict[str, object]) -> None:
    x = FeatureMap(500, Size(6, 7))
    weight = _made(name, x, **fields).weight
    assert abs(weight.std().item() - 0.02) < 2e-3
    assert abs(weight.mean().item()) < 3e-3


@pytest.mark.parametrize(
    "name, fields, x",
    [
        ("class_token", {}, GRID.with_tokens(CLASS)),
        ("registers", {"count": 2}, MIXED),
        ("class_token", {}, FeatureMap(6, None)),
        ("registers", {"count": 2}, FeatureMap(6, None)),
        ("position_table", {}, FeatureMap(6, None)),
        ("select", {"tokens": "class"}, GRID),
        ("select", {"tokens": "registers"}, GRID.with_tokens(CLASS)),
        ("select", {"tokens": "patches"}, FeatureMap(6, None, (CLASS,))),
        ("conv", {"kernel": 3}, MIXED),
    ],
)
def test_what_does_not_fit_is_refused(name: str, fields: dict[str, object], x: FeatureMap) -> None:
    with pytest.raises(Refused):
        shape_at(resolved(name, fields, x), x)
