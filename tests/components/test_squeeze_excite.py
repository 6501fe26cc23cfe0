"""`squeeze_excite`: the suite, and its mathematics channel by channel."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_X = FeatureMap(6, Size(3, 4))
_REDUCE, _EXPAND = ("reduce.weight", "reduce.bias"), ("expand.weight", "expand.bias")


class TestSqueezeExcite(ComponentSuite):
    component = "squeeze_excite"
    cases = (
        Case(_X, {"ratio": 2}, state=(*_REDUCE, *_EXPAND)),
        Case(
            FeatureMap(7, Size(5, 4)),
            {"ratio": 3, "act": resolved("silu", {}, _X), "pool": resolved("mean", {}, _X)},
            state=(*_REDUCE, *_EXPAND),
        ),
        Case(
            _X,
            {"ratio": 8, "minimum": 5, "act": resolved("batchnorm", {}, _X)},
            state=(
                *_REDUCE,
                "act.weight",
                "act.bias",
                "act.running_mean",
                "act.running_var",
                "act.num_batches_tracked",
                *_EXPAND,
            ),
        ),
    )


def _by_loops(module: torch.nn.Module, image: Tensor) -> Tensor:
    """One image [C, H, W], one number at a time, with silu between the two maps."""
    means = [float(sum(channel.flatten()) / channel.numel()) for channel in image]
    squeezed = []
    for row, bias in zip(module.reduce.weight, module.reduce.bias, strict=True):
        total = float(bias) + sum(float(weight) * mean for weight, mean in zip(row, means, strict=True))
        squeezed.append(total / (1 + math.exp(-total)))
    out = torch.empty_like(image)
    for channel, (row, bias) in enumerate(zip(module.expand.weight, module.expand.bias, strict=True)):
        total = float(bias) + sum(float(weight) * value for weight, value in zip(row, squeezed, strict=True))
        out[channel] = image[channel] / (1 + math.exp(-total))
    return out


@pytest.mark.parametrize("pool", ["avgpool", "mean"])
@pytest.mark.parametrize(("ratio", "minimum"), [(1, 1), (2, 1), (4, 5), (100, 1)])
def test_is_a_gate_for_each_channel(pool: str, ratio: int, minimum: int) -> None:
    fields = {"ratio": ratio, "minimum": minimum, "act": resolved("silu", {}, _X), "pool": resolved(pool, {}, _X)}
    torch.manual_seed(3)
    module = instantiate(resolved("squeeze_excite", fields, _X), _X).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.7)
        images = torch.randn(2, *_X.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "ratio", "minimum", "reduced"),
    # the last two: the second stage of OverLoCK-XT, and a map of MOAT-0
    [(7, 2, 1, 3), (3, 4, 1, 1), (12, 4, 8, 8), (112, 8, 16, 16), (384, 16, 1, 24)],
)
def test_rounds_the_channels_between_down(channels: int, ratio: int, minimum: int, reduced: int) -> None:
    x = FeatureMap(channels, Size(2, 2))
    spec = resolved("squeeze_excite", {"ratio": ratio, "minimum": minimum}, x)
    assert spec.weights(x)["reduce.weight"] == (reduced, channels)


def test_starts_with_gates_near_a_half() -> None:
    x = FeatureMap(256, Size(2, 2))
    torch.manual_seed(3)
    module = instantiate(resolved("squeeze_excite", {"ratio": 2}, x), x)
    for linear in (module.reduce, module.expand):
        assert not linear.bias.any()
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert linear.weight.mean().item() == pytest.approx(0, abs=5e-4)
    images = torch.randn(2, *x.shape)
    torch.testing.assert_close(module(images), images / 2, rtol=0.3, atol=0.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pool": resolved("avgpool", {"kernel": Size(2, 2)}, _X)}, "`pool` must leave the channels"),
        ({"pool": resolved("gelu", {}, _X)}, "`pool` must leave the channels"),
        ({"act": resolved("linear", {"out": 5}, _X)}, "`act` must keep the shape"),
    ],
)
def test_refuses_parts_that_do_not_fit(fields: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        shape_at(resolved("squeeze_excite", {"ratio": 2, **fields}, _X), _X)
    assert refusal.value.help


def test_needs_a_map() -> None:
    x = FeatureMap(4, None)
    with pytest.raises(Refused, match="map with positions"):
        shape_at(resolved("squeeze_excite", {"ratio": 2}, x), x)
