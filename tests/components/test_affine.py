"""`affine`: the suite, its start values, and that it is scale and shift."""

from __future__ import annotations

import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite

_STATE = ("weight", "bias")


class TestAffine(ComponentSuite):
    component = "affine"
    cases = (
        Case(FeatureMap(5, Size(3, 7)), state=_STATE),
        Case(FeatureMap(4, None), {"init": 0.5}, state=_STATE),
        Case(FeatureMap(3, Size(2, 5), (Tokens("class", 1),)), {"init": 1e-5}, state=_STATE),
    )


def test_scales_and_shifts_each_channel() -> None:
    x = FeatureMap(4, Size(3, 2))
    module = instantiate(resolved("affine", {"init": 2.0}, x), x)
    images = torch.randn(2, *x.shape)
    torch.testing.assert_close(module(images), 2 * images)
    with torch.no_grad():
        module.weight.normal_()
        module.bias.normal_()
    expected = images * module.weight.reshape(4, 1, 1) + module.bias.reshape(4, 1, 1)
    torch.testing.assert_close(module(images), expected)
