"""`groupnorm`: the suite, and the norm written out."""

from __future__ import annotations

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_BOTH = ("weight", "bias")


class TestGroupNorm(ComponentSuite):
    component = "groupnorm"
    cases = (
        Case(FeatureMap(6, Size(3, 5)), {"groups": 1, "eps": 1e-6}, state=_BOTH),
        Case(FeatureMap(6, Size(4, 4)), {"groups": 3}, state=_BOTH),
        Case(FeatureMap(6, Size(2, 3)), {"groups": 6}, state=_BOTH),
        Case(FeatureMap(6, None), {"groups": 2}, state=_BOTH),
    )


@pytest.mark.parametrize(
    "x",
    [FeatureMap(6, None), FeatureMap(6, Size(3, 5)), FeatureMap(6, Size(2, 2), (Tokens("class_token", 1),))],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_group_is_normed_over_all_positions(x: FeatureMap, groups: int) -> None:
    torch.manual_seed(3)
    module = instantiate(resolved("groupnorm", {"groups": groups, "eps": 0.1}, x), x).double()
    assert torch.equal(module.weight, torch.ones(6, dtype=torch.float64))
    assert not module.bias.any()
    with torch.no_grad():
        module.weight.normal_()
        module.bias.normal_()
    images = torch.randn(2, *x.shape, dtype=torch.float64)
    out = module(images)
    size = 6 // groups
    for image, normed in zip(images, out, strict=True):
        for start in range(0, 6, size):
            group = image[start : start + size]
            mean = sum(group.flatten().tolist()) / group.numel()
            var = sum((value - mean) ** 2 for value in group.flatten().tolist()) / group.numel()
            for channel in range(start, start + size):
                expected = module.weight[channel] * (image[channel] - mean) / (var + 0.1) ** 0.5 + module.bias[channel]
                torch.testing.assert_close(normed[channel], expected)


def test_refuses_groups_that_do_not_divide_the_channels() -> None:
    x = FeatureMap(6, Size(3, 5))
    with pytest.raises(Refused, match="must divide the channels"):
        shape_at(resolved("groupnorm", {"groups": 4}, x), x)


def test_refuses_groups_of_one_number() -> None:
    x = FeatureMap(6, None)
    with pytest.raises(Refused, match="no variance") as refusal:
        shape_at(resolved("groupnorm", {"groups": 6}, x), x)
    assert refusal.value.help == "use fewer groups"
    assert shape_at(resolved("groupnorm", {"groups": 3}, x), x) == x
