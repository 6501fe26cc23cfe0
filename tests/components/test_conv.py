"""`conv`: the suite, and its padding against TensorFlow's rule written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_BOTH = ("weight", "bias")


class TestConv(ComponentSuite):
    component = "conv"
    cases = (
        Case(FeatureMap(4, Size(8, 9)), {"kernel": Size(3, 3), "out": 6, "stride": 2, "init": "fan_out"}, state=_BOTH),
        Case(FeatureMap(4, Size(8, 9)), {"kernel": Size(2, 5), "stride": Size(2, 1), "groups": 2}, state=_BOTH),
        Case(FeatureMap(4, Size(7, 8)), {"kernel": Size(4, 3), "stride": 2, "pad": "same", "bias": False}, state=("weight",)),
    )


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 2), (4, 5), (7, 7)])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_same_keeps_one_place_a_stride(kernel: tuple[int, int], stride: int) -> None:
    x = FeatureMap(2, Size(11, 8))
    spec = resolved("conv", {"kernel": Size(*kernel), "out": 3, "stride": stride, "pad": "same"}, x)
    assert shape_at(spec, x) == FeatureMap(3, Size(-(-11 // stride), -(-8 // stride)))

    module = instantiate(spec, x).double()
    image = torch.randn(1, 2, 11, 8, dtype=torch.float64)
    out = module(image)
    # every place by its definition: the kernel starts half of the missing positions before the map, rounded down
    starts = []
    for length, k in zip((11, 8), kernel, strict=True):
        missing = max((-(-length // stride) - 1) * stride + k - length, 0)
        starts.append(missing // 2)
    wide = F.pad(image, (9, 9, 9, 9))
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            top, left = 9 - starts[0] + row * stride, 9 - starts[1] + column * stride
            window = wide[:, :, top : top + kernel[0], left : left + kernel[1]]
            expected = (window * module.weight).sum((1, 2, 3)) + module.bias
            torch.testing.assert_close(out[0, :, row, column], expected)


def test_odd_kernels_are_centred_and_even_ones_bare() -> None:
    x = FeatureMap(2, Size(9, 9))
    assert shape_at(resolved("conv", {"kernel": Size(3, 4)}, x), x) == FeatureMap(2, Size(9, 6))


def test_refuses_a_kernel_larger_than_the_map() -> None:
    x = FeatureMap(2, Size(3, 9))
    with pytest.raises(Refused) as refusal:
        shape_at(resolved("conv", {"kernel": Size(4, 4)}, x), x)
    assert refusal.value.field == "kernel"
    assert "3x9" in refusal.value.label


def test_refuses_groups_that_do_not_divide() -> None:
    x = FeatureMap(6, Size(3, 3))
    with pytest.raises(Refused, match="divide the channels"):
        shape_at(resolved("conv", {"kernel": Size(1, 1), "groups": 4, "out": 8}, x), x)
    with pytest.raises(Refused, match="come out must be divisible"):
        shape_at(resolved("conv", {"kernel": Size(1, 1), "groups": 3, "out": 8}, x), x)


def test_refuses_a_vector() -> None:
    x = FeatureMap(6, None)
    with pytest.raises(Refused):
        shape_at(resolved("conv", {"kernel": Size(1, 1)}, x), x)
