"""`patch_embed`: the suite, and its padding."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import shape_at

_BOTH = ("weight", "bias")


class TestPatchEmbed(ComponentSuite):
    component = "patch_embed"
    cases = (
        Case(FeatureMap(3, Size(16, 13)), {"kernel": Size(7, 7), "stride": 4, "out": 6, "init": "normal"}, state=_BOTH),
        Case(FeatureMap(4, Size(7, 8)), {"kernel": Size(2, 2)}, state=_BOTH),
        Case(FeatureMap(4, Size(7, 8)), {"kernel": Size(4, 2), "stride": Size(2, 3)}, state=_BOTH),
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "margin"),
    [
        ((7, 7), (4, 4), (3, 3)),
        ((2, 2), (2, 2), (0, 0)),
        ((16, 16), (16, 16), (0, 0)),
        ((3, 4), (2, 4), (1, 0)),
        ((4, 6), (2, 2), (1, 2)),
    ],
)
@pytest.mark.parametrize("size", [(16, 16), (17, 15), (10, 21), (3, 2)])
def test_a_position_for_each_stride_begun(
    kernel: tuple[int, int], stride: tuple[int, int], margin: tuple[int, int], size: tuple[int, int]
) -> None:
    x = FeatureMap(3, Size(*size))
    spec = resolved("patch_embed", {"kernel": Size(*kernel), "stride": Size(*stride), "out": 5}, x)
    assert spec.margin == margin
    assert shape_at(spec, x).size == Size(-(-size[0] // stride[0]), -(-size[1] // stride[1]))

    module = instantiate(spec, x)
    image = torch.randn(1, *x.shape)
    bottom, right = -size[0] % stride[0], -size[1] % stride[1]
    wide = F.pad(image, (margin[1], right + margin[1], margin[0], bottom + margin[0]))
    torch.testing.assert_close(module(image), F.conv2d(wide, module.weight, module.bias, stride))
