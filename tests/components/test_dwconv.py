"""`dwconv`: the suite, and that no channel sees another."""

from __future__ import annotations

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_BOTH = ("weight", "bias")


class TestDwConv(ComponentSuite):
    component = "dwconv"
    cases = (
        Case(FeatureMap(4, Size(8, 9)), {"kernel": Size(3, 3), "init": "fan_out"}, state=_BOTH),
        Case(FeatureMap(4, Size(8, 9)), {"kernel": Size(1, 11), "stride": 2, "bias": False}, state=("weight",)),
        Case(FeatureMap(4, Size(7, 8)), {"kernel": Size(4, 3), "stride": Size(2, 3), "pad": "same"}, state=_BOTH),
    )


def test_each_channel_is_by_itself() -> None:
    x = FeatureMap(3, Size(5, 6))
    module = instantiate(resolved("dwconv", {"kernel": Size(3, 3)}, x), x)
    image = torch.randn(1, 3, 5, 6)
    other = image.clone()
    other[:, 1] += 1
    changed = (module(image) != module(other)).flatten(2).any(-1)[0]
    assert changed.tolist() == [False, True, False]


def test_refuses_a_kernel_larger_than_the_map() -> None:
    x = FeatureMap(2, Size(3, 9))
    with pytest.raises(Refused, match="must fit"):
        shape_at(resolved("dwconv", {"kernel": Size(4, 4)}, x), x)
