"""`mlp`: the suite, also with an activation that has weights of its own."""

from __future__ import annotations

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_X = FeatureMap(6, Size(3, 4))
_FIRST, _SECOND = ("fc1.weight", "fc1.bias"), ("fc2.weight", "fc2.bias")


class TestMlp(ComponentSuite):
    component = "mlp"
    cases = (
        Case(_X, state=(*_FIRST, *_SECOND)),
        Case(_X.with_tokens(Tokens("class", 1)), state=(*_FIRST, *_SECOND)),
        Case(FeatureMap(6, None), {"ratio": 1.5, "act": resolved("relu", {}, _X)}, state=(*_FIRST, *_SECOND)),
        Case(
            _X,
            {"ratio": 0.5, "act": resolved("batchnorm", {}, _X)},
            state=(
                *_FIRST,
                "act.weight",
                "act.bias",
                "act.running_mean",
                "act.running_var",
                "act.num_batches_tracked",
                *_SECOND,
            ),
        ),
    )


def test_is_linear_gelu_linear() -> None:
    module = instantiate(resolved("mlp", {"ratio": 2.0}, _X), _X).double()
    image = torch.randn(6, 3, 4, dtype=torch.float64)
    out = module(image[None])[0]
    for row in range(3):
        for column in range(4):
            hidden = module.fc1.weight @ image[:, row, column] + module.fc1.bias
            hidden = hidden / 2 * (1 + torch.erf(hidden / 2**0.5))
            torch.testing.assert_close(out[:, row, column], module.fc2.weight @ hidden + module.fc2.bias)


def test_refuses_a_hidden_width_that_is_not_whole() -> None:
    with pytest.raises(Refused, match="whole number") as refusal:
        shape_at(resolved("mlp", {"ratio": 1.25}, _X), _X)
    assert refusal.value.label == "1.25 * 6 is 7.5"
    assert refusal.value.help == "use a multiple of 1 / 6, such as `ratio = 8 / 6`"
    assert shape_at(resolved("mlp", {"ratio": 8 / 6}, _X), _X) == _X


def test_a_ratio_in_thirds_is_whole() -> None:
    assert resolved("mlp", {"ratio": 8 / 3}, _X).hidden(_X).channels == 16
    assert shape_at(resolved("mlp", {"ratio": 8 / 3}, _X), _X) == _X


def test_refuses_an_act_that_changes_the_map() -> None:
    with pytest.raises(Refused, match="must keep the shape") as refusal:
        shape_at(resolved("mlp", {"act": resolved("mean", {}, _X)}, _X), _X)
    assert "such as `gelu`" in (refusal.value.help or "")
