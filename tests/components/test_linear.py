"""`linear` and `layer_scale`: the suites, and their values at the start."""

from __future__ import annotations

import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite


class TestLinear(ComponentSuite):
    component = "linear"
    cases = (
        Case(FeatureMap(4, Size(3, 5)), {"out": 6, "std": 0.01}, state=("weight", "bias")),
        Case(FeatureMap(4, Size(3, 5), (Tokens("class", 1),)), {"out": 6}, state=("weight", "bias")),
        Case(FeatureMap(4, None), {"out": 6, "bias": False}, state=("weight",)),
    )


class TestLayerScale(ComponentSuite):
    component = "layer_scale"
    cases = (
        Case(FeatureMap(4, Size(3, 5)), {"init": 1e-6, "decay": True}, state=("weight",)),
        Case(FeatureMap(4, Size(3, 5), (Tokens("class", 1),)), state=("weight",)),
        Case(FeatureMap(4, None), state=("weight",)),
    )


def test_projections_start_as_published() -> None:
    x = FeatureMap(400, None)
    torch.manual_seed(0)
    module = instantiate(resolved("linear", {"out": 500}, x), x)
    assert not module.bias.any()
    assert abs(module.weight.std().item() - 0.02) < 2e-4
    # the cut at two is a hundred deviations away: there is none at two deviations
    assert module.weight.abs().max().item() > 0.08


def test_layer_scale_starts_at_its_value() -> None:
    x = FeatureMap(4, Size(2, 2))
    module = instantiate(resolved("layer_scale", {"init": 0.5}, x), x)
    image = torch.randn(1, 4, 2, 2)
    assert torch.equal(module(image), image / 2)
