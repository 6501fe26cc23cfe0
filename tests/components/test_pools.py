"""`avgpool`, `maxpool` and `mean`: the suites, and pooling place by place."""

from __future__ import annotations

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.sliding import padding
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_CASES = (
    Case(FeatureMap(3, Size(6, 7))),
    Case(FeatureMap(3, Size(8, 7)), {"kernel": Size(3, 3), "stride": 2}),
    Case(FeatureMap(3, Size(7, 8)), {"kernel": Size(2, 4), "stride": Size(1, 2), "pad": "same"}),
)


class TestAvgPool(ComponentSuite):
    component = "avgpool"
    cases = _CASES


class TestMaxPool(ComponentSuite):
    component = "maxpool"
    cases = _CASES


class TestMean(ComponentSuite):
    component = "mean"
    cases = (
        Case(FeatureMap(3, Size(6, 7))),
        Case(FeatureMap(3, Size(2, 5), (Tokens("class", 1), Tokens("registers", 3)))),
        Case(FeatureMap(3, None, (Tokens("registers", 4),))),
        Case(FeatureMap(3, None, (Tokens("class", 1),))),
    )


def test_the_mean_of_tokens_is_that_of_all() -> None:
    x = FeatureMap(3, Size(2, 5), (Tokens("class", 1),))
    tokens = torch.randn(2, *x.shape)
    spec = resolved("mean", {}, x)
    torch.testing.assert_close(instantiate(spec, x)(tokens), sum(tokens[..., i] for i in range(11)) / 11)
    assert shape_at(spec, x) == FeatureMap(3, None)
    one = FeatureMap(3, None, (Tokens("class", 1),))
    assert torch.equal(instantiate(spec, one)(tokens[..., 0]), tokens[..., 0])


@pytest.mark.parametrize("name", ["avgpool", "maxpool"])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (2, 5), (4, 3)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3), (3, 5)])
@pytest.mark.parametrize("pad", [None, "same"])
def test_padding_takes_no_part(name: str, kernel: tuple[int, int], stride: tuple[int, int], pad: str | None) -> None:
    x = FeatureMap(2, Size(7, 10))
    spec = resolved(name, {"kernel": Size(*kernel), "stride": Size(*stride), "pad": pad}, x)
    image = torch.randn(1, *x.shape)
    out = instantiate(spec, x)(image)
    added = padding(Size(7, 10), Size(*kernel), Size(*stride), pad)
    size = shape_at(spec, x).size
    assert size == out.shape[2:]
    for row in range(size.height):
        for column in range(size.width):
            top, left = row * stride[0] - added.top, column * stride[1] - added.left
            inside = image[0, :, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]].flatten(1)
            expected = inside.mean(1) if name == "avgpool" else inside.amax(1)
            torch.testing.assert_close(out[0, :, row, column], expected)


@pytest.mark.parametrize("name", ["avgpool", "maxpool", "mean"])
def test_a_vector_cannot_be_pooled(name: str) -> None:
    x = FeatureMap(4, None)
    with pytest.raises(Refused):
        shape_at(resolved(name, {}, x), x)


@pytest.mark.parametrize("fields", [{"stride": 2}, {"pad": "same"}])
def test_the_whole_map_takes_neither_stride_nor_pad(fields: dict[str, object]) -> None:
    x = FeatureMap(4, Size(4, 4))
    with pytest.raises(Refused, match="needs a `kernel`"):
        shape_at(resolved("avgpool", fields, x), x)
