"""`conv_glu`: the suite, also with an activation that has weights of its own, and its mathematics position by position."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_X = FeatureMap(6, Size(5, 4))
_FIRST = ("fc1.weight", "fc1.bias", "dwconv.weight", "dwconv.bias")
_NORM = ("act.weight", "act.bias", "act.running_mean", "act.running_var", "act.num_batches_tracked")
_LAST = ("fc2.weight", "fc2.bias")


class TestConvGlu(ComponentSuite):
    component = "conv_glu"
    cases = (
        Case(_X, state=(*_FIRST, *_LAST)),
        Case(FeatureMap(5, Size(3, 7)), {"ratio": 1.5, "kernel": Size(5, 1)}, state=(*_FIRST, *_LAST)),
        Case(_X, {"ratio": 0.5, "act": resolved("batchnorm", {}, _X)}, state=(*_FIRST, *_NORM, *_LAST)),
    )


@pytest.mark.parametrize("kernel", [Size(3, 3), Size(1, 5)])
def test_is_a_gate_that_sees_the_neighbours(kernel: Size) -> None:
    torch.manual_seed(1)
    module: Any = instantiate(resolved("conv_glu", {"ratio": 2.0, "kernel": kernel}, _X), _X).double()
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
    image = torch.randn(6, 5, 4, dtype=torch.float64)
    both = torch.einsum("oc,chw->ohw", module.fc1.weight, image) + module.fc1.bias[:, None, None]
    assert both.shape[0] == 16
    out = module(image[None])[0]
    for row in range(5):
        for column in range(4):
            gate = module.dwconv.bias.clone()
            for i in range(kernel.height):
                for j in range(kernel.width):
                    there = row + i - kernel.height // 2, column + j - kernel.width // 2
                    if 0 <= there[0] < 5 and 0 <= there[1] < 4:
                        gate = gate + module.dwconv.weight[:, 0, i, j] * both[:8, there[0], there[1]]
            hidden = gate / 2 * (1 + torch.erf(gate / 2**0.5)) * both[8:, row, column]
            torch.testing.assert_close(out[:, row, column], module.fc2.weight @ hidden + module.fc2.bias)


@pytest.mark.parametrize(
    ("channels", "ratio", "half"),
    [(48, 8, 256), (96, 8, 512), (192, 4, 512), (72, 8, 384), (7, 1, 4), (10, 1.25, 8), (10, 1.1, 7)],
)
def test_a_half_has_two_thirds_rounded_down(channels: int, ratio: float, half: int) -> None:
    x = FeatureMap(channels, Size(2, 2))
    assert resolved("conv_glu", {"ratio": ratio}, x).hidden(x).channels == half


def test_starts_as_published() -> None:
    x = FeatureMap(384, Size(2, 2))
    torch.manual_seed(0)
    module: Any = instantiate(resolved("conv_glu", {"kernel": Size(3, 5)}, x), x)
    for weight, deviation in ((module.fc1.weight, 0.02), (module.fc2.weight, 0.02), (module.dwconv.weight, (2 / 15) ** 0.5)):
        assert abs(weight.std().item() / deviation - 1) < 5 / (2 * weight.numel()) ** 0.5
    assert not any(value.any() for name, value in module.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(
    ("fields", "message", "field"),
    [
        ({"ratio": 0.2}, "leave a channel", "ratio"),
        ({"kernel": Size(3, 4)}, "must be odd", "kernel"),
        ({"act": resolved("mean", {}, _X)}, "keep the shape", "act"),
    ],
)
def test_refuses_fields_that_do_not_fit(fields: dict[str, object], message: str, field: str) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        shape_at(resolved("conv_glu", fields, _X), _X)
    assert refusal.value.field == field


def test_refuses_a_vector() -> None:
    with pytest.raises(Refused):
        shape_at(resolved("conv_glu", {}, _X), FeatureMap(6, None))
