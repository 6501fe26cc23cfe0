"""`layernorm` and `batchnorm`: the suites, and the norms written out."""

from __future__ import annotations

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size, Tokens
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite

_TOKENS = (Tokens("class", 1), Tokens("registers", 2))
_BOTH = ("weight", "bias")
_ALL = (*_BOTH, "running_mean", "running_var", "num_batches_tracked")


class TestLayerNorm(ComponentSuite):
    component = "layernorm"
    cases = (
        Case(FeatureMap(6, Size(3, 5)), {"eps": 1e-6}, state=_BOTH),
        Case(FeatureMap(6, Size(3, 5), _TOKENS), state=_BOTH),
        Case(FeatureMap(6, None), state=_BOTH),
    )


class TestBatchNorm(ComponentSuite):
    component = "batchnorm"
    cases = (
        Case(FeatureMap(6, Size(3, 5)), {"eps": 1e-3, "momentum": 0.01, "init": 0.0}, state=_ALL),
        Case(FeatureMap(6, Size(3, 5), _TOKENS), state=_ALL),
        Case(FeatureMap(6, None), state=_ALL),
    )


@pytest.mark.parametrize("size", [None, Size(3, 5)])
def test_layernorm_is_over_the_channels(size: Size | None) -> None:
    x = FeatureMap(6, size)
    module = instantiate(resolved("layernorm", {"eps": 0.1}, x), x).double()
    images = torch.randn(2, *x.shape, dtype=torch.float64)
    centred = images - images.mean(1, keepdim=True)
    expected = centred / (centred.square().mean(1, keepdim=True) + 0.1).sqrt()
    torch.testing.assert_close(module(images), expected)


@pytest.mark.parametrize("size", [None, Size(3, 5)])
def test_batchnorm_learns_its_statistics(size: Size | None) -> None:
    x = FeatureMap(6, size)
    module = instantiate(resolved("batchnorm", {"momentum": 0.25}, x), x).double()
    images = torch.randn(4, *x.shape, dtype=torch.float64) + 3
    module.train()(images)
    axes = [axis for axis in range(images.dim()) if axis != 1]
    torch.testing.assert_close(module.running_mean, 0.25 * images.mean(axes))
    torch.testing.assert_close(module.running_var, 0.75 + 0.25 * images.var(axes))
    assert module.num_batches_tracked == 1


@pytest.mark.parametrize("fields", [{}, {"init": 0.0}, {"init": 0.25}])
def test_batchnorm_starts_at_its_init(fields: dict[str, float]) -> None:
    x = FeatureMap(3, Size(1, 1))
    module = instantiate(resolved("batchnorm", fields, x), x)
    assert module.weight.tolist() == [fields.get("init", 1.0)] * 3
    assert module.bias.tolist() == [0.0] * 3


def test_batchnorm_takes_no_volumes() -> None:
    x = FeatureMap(6, Size(3, 5))
    with pytest.raises(ValueError, match="got 5 axes"):
        instantiate(resolved("batchnorm", {}, x), x)(torch.zeros(1, 6, 3, 5, 2))
