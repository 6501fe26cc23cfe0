"""`multi_order`: the suite, and its two paths position by position."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_STATE = (
    "gamma",
    "proj_in.weight",
    "proj_in.bias",
    "h_conv.conv.weight",
    *(f"h_conv.norm.{name}" for name in _NORM),
    "l_conv.0.conv.weight",
    "l_conv.1.conv.weight",
    *(f"l_conv.1.norm.{name}" for name in _NORM),
    *(
        f"{gate}.{conv}.{name}"
        for gate in ("h_attn", "l_attn")
        for conv in ("squeeze", "expand")
        for name in ("weight", "bias")
    ),
    "proj_out.weight",
    "proj_out.bias",
)


class TestMultiOrder(ComponentSuite):
    component = "multi_order"
    cases = (
        Case(FeatureMap(32, Size(5, 6)), {"groups": 16}, state=_STATE),
        Case(FeatureMap(40, Size(7, 3)), {"eps": 1e-3}, state=_STATE),
        Case(FeatureMap(24, Size(2, 4)), {"groups": 3}, state=_STATE),
    )


def _conv(conv: nn.Conv2d, x: Tensor, dilation: int) -> Tensor:
    """A 3x3 convolution of [C, H, W], one position and channel at a time; outside the map is zero."""
    _, height, width = x.shape
    out = torch.zeros(conv.out_channels, height, width, dtype=x.dtype)
    inside, each = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    for channel in range(conv.out_channels):
        first = channel // each * inside
        for row in range(height):
            for column in range(width):
                for i in range(3):
                    for j in range(3):
                        y, z = row + dilation * (i - 1), column + dilation * (j - 1)
                        if 0 <= y < height and 0 <= z < width:
                            out[channel, row, column] += conv.weight[channel, :, i, j] @ x[first : first + inside, y, z]
    return out


def _point(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return torch.tensordot(conv.weight[:, :, 0, 0], x, 1) + conv.bias[:, None, None]


def _normed(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch norm in evaluation, then gelu."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    y = (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]
    return y / 2 * (1 + torch.erf(y / 2**0.5))


def _gated(gate: nn.Module, x: Tensor) -> Tensor:
    pooled = x.mean((1, 2), keepdim=True)
    return x * torch.sigmoid(_point(gate.expand, _point(gate.squeeze, pooled).clamp(min=0)))


def _by_loops(module: nn.Module, x: Tensor) -> Tensor:
    u = _point(module.proj_in, x)
    u = u + module.gamma[0] * (u - u.mean((1, 2), keepdim=True))
    high = _gated(module.h_attn, _normed(module.h_conv.norm, _conv(module.h_conv.conv, u, 1)))
    far = _conv(module.l_conv[1].conv, _conv(module.l_conv[0].conv, u, 2), 2)
    low = _gated(module.l_attn, _normed(module.l_conv[1].norm, far))
    return _point(module.proj_out, torch.cat([high, low]))


@pytest.mark.parametrize(("size", "groups"), [((4, 3), 1), ((2, 5), 4), ((3, 3), 2)])
def test_is_a_near_and_a_far_path(size: tuple[int, int], groups: int) -> None:
    x = FeatureMap(8, Size(*size))
    torch.manual_seed(3)
    module = instantiate(resolved("multi_order", {"groups": groups}, x), x).double().eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_(0, 0.5)
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_the_far_path_sees_nine_by_nine() -> None:
    x = FeatureMap(8, Size(15, 15))
    torch.manual_seed(3)
    module = instantiate(resolved("multi_order", {"groups": 4}, x), x).double()
    image = torch.zeros(1, 4, 15, 15, dtype=torch.float64)
    image[0, :, 7, 7] = 1
    reached = module.l_conv[1].conv(module.l_conv[0](image))[0, 0].abs() > 1e-12
    rows, columns = reached.nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 11, 3, 11)


def test_starts_as_published() -> None:
    x = FeatureMap(128, Size(2, 2))
    torch.manual_seed(3)
    for groups, out in ((1, 64), (64, 1)):
        module = instantiate(resolved("multi_order", {"groups": groups}, x), x)
        assert (module.gamma == 1e-5).all()
        assert module.proj_in.weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
        assert module.h_conv.conv.weight.std().item() == pytest.approx((2 / (9 * out)) ** 0.5, rel=0.1)
        assert module.h_attn.squeeze.weight.std().item() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
        assert not any(value.any() for name, value in module.named_parameters() if name.endswith("bias"))


def test_refuses_channels_that_cannot_be_halved_and_squeezed() -> None:
    x = FeatureMap(12, Size(4, 4))
    with pytest.raises(Refused, match="divisible by 8") as refusal:
        shape_at(resolved("multi_order", {}, x), x)
    assert refusal.value.help == "use 16 channels, the next multiple of 8"


def test_refuses_groups_that_do_not_divide_a_half() -> None:
    x = FeatureMap(16, Size(4, 4))
    with pytest.raises(Refused, match="must divide half") as refusal:
        shape_at(resolved("multi_order", {"groups": 16}, x), x)
    assert refusal.value.label == "half of 16 is 8"
