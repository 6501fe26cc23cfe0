"""`grn`: the suite, and its mathematics channel by channel."""

from __future__ import annotations

import math

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_STATE = ("gamma", "beta")


class TestGrn(ComponentSuite):
    component = "grn"
    cases = (
        Case(FeatureMap(6, Size(4, 5)), state=_STATE),
        Case(FeatureMap(1, Size(1, 1)), {"eps": 0.5}, state=_STATE),
    )


def test_is_what_the_paper_writes() -> None:
    x = FeatureMap(3, Size(4, 2))
    module = instantiate(resolved("grn", {"eps": 0.01}, x), x).double()
    with torch.no_grad():
        module.gamma.normal_()
        module.beta.normal_()
    image = torch.randn(3, 4, 2, dtype=torch.float64)
    strengths = [math.sqrt(sum(float(value) ** 2 for value in channel.flatten())) for channel in image]
    for channel in range(3):
        relative = strengths[channel] / (sum(strengths) / 3 + 0.01)
        expected = image[channel] + module.gamma[0, channel] * relative * image[channel] + module.beta[0, channel]
        torch.testing.assert_close(module(image[None])[0, channel], expected[:, :])


def test_starts_as_nothing_and_takes_a_map_of_zeros() -> None:
    x = FeatureMap(3, Size(4, 2))
    module = instantiate(resolved("grn", {}, x), x)
    images = torch.randn(2, *x.shape)
    assert torch.equal(module(images), images)
    zeros = torch.zeros(1, *x.shape, requires_grad=True)
    module(zeros).sum().backward()
    assert zeros.grad is not None
    assert zeros.grad.isfinite().all()


def test_needs_a_map() -> None:
    with pytest.raises(Refused, match="a map with positions"):
        shape_at(resolved("grn", {}, FeatureMap(3, None)), FeatureMap(3, None))
