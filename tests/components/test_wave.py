"""`wave`: the suite, and its mathematics position by position."""

from __future__ import annotations

import cmath

import pytest
import torch
from torch import Tensor, nn

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_PAIR = ("weight", "bias")
_STATE = (
    "complex",
    *(f"{part}.{name}" for part in ("theta", "proj") for name in _PAIR),
    "conv.conv.weight",
    *(f"conv.norm.{name}" for name in (*_PAIR, "running_mean", "running_var", "num_batches_tracked")),
    *(f"{part}.{name}" for part in ("attn.squeeze", "attn.expand", "proj_out") for name in _PAIR),
)


class TestWave(ComponentSuite):
    component = "wave"
    cases = (
        Case(FeatureMap(4, Size(5, 6)), {"ratio": 4, "groups": 16}, state=_STATE),
        Case(FeatureMap(8, Size(7, 3)), {"ratio": 2, "groups": 8, "eps": 1e-3}, state=_STATE),
        Case(FeatureMap(12, Size(2, 4)), {"ratio": 1, "groups": 1}, state=_STATE),
    )


def _gelu(x: Tensor) -> Tensor:
    return x / 2 * (1 + torch.erf(x / 2**0.5))


def _by_loops(module: nn.Module, x: Tensor) -> Tensor:
    """One image [C, H, W]: the wave at one position at a time, then the convolution, the gate and the way back."""
    channels, height, width = x.shape
    factors = [complex(*pair) for pair in module.complex[0, 0, 0].tolist()]
    turned = torch.empty(2 * len(factors), height, width, dtype=x.dtype)
    for row in range(height):
        for column in range(width):
            here = x[:, row, column]
            phase = _gelu(module.theta.weight[:, :, 0, 0] @ here + module.theta.bias)
            amplitude = module.proj.weight[:, :, 0, 0] @ here + module.proj.bias
            strongest = max(range(channels), key=lambda channel: (float(here[channel]), -channel))
            wave = amplitude * phase + amplitude[strongest] * phase[strongest]
            for pair, factor in enumerate(factors):
                number = complex(float(wave[2 * pair]), float(wave[2 * pair + 1])) * factor
                turned[2 * pair, row, column], turned[2 * pair + 1, row, column] = number.real, number.imag
    norm = module.conv.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    y = module.conv.conv(turned[None])[0] - norm.running_mean[:, None, None]
    y = _gelu(y * scale[:, None, None] + norm.bias[:, None, None])
    pooled = y.mean((1, 2))
    squeezed = (module.attn.squeeze.weight[:, :, 0, 0] @ pooled + module.attn.squeeze.bias).clamp(min=0)
    gate = torch.sigmoid(module.attn.expand.weight[:, :, 0, 0] @ squeezed + module.attn.expand.bias)
    back = torch.tensordot(module.proj_out.weight[:, :, 0, 0], y * gate[:, None, None], 1)
    return back + module.proj_out.bias[:, None, None]


def _module(x: FeatureMap, ratio: int, groups: int) -> nn.Module:
    torch.manual_seed(3)
    module = instantiate(resolved("wave", {"ratio": ratio, "groups": groups}, x), x).double().eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_(0, 0.5)
    return module


@pytest.mark.parametrize(("size", "ratio", "groups"), [((4, 3), 4, 32), ((2, 5), 2, 8), ((1, 1), 1, 1)])
def test_is_a_wave_turned_in_pairs(size: tuple[int, int], ratio: int, groups: int) -> None:
    x = FeatureMap(8, Size(*size))
    module = _module(x, ratio, groups)
    with torch.no_grad():
        images = torch.randn(2, *x.shape, dtype=torch.float64)
        expected = torch.stack([_by_loops(module, image) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_of_equal_channels_the_first_is_the_strongest() -> None:
    x = FeatureMap(8, Size(2, 3))
    module = _module(x, 2, 8)
    with torch.no_grad():
        images = torch.randint(0, 2, (2, *x.shape)).double()
        expected = torch.stack([_by_loops(module, image) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-10)


def test_a_factor_of_length_one_turns_and_keeps_the_length() -> None:
    x = FeatureMap(4, Size(2, 2))
    module = _module(x, 1, 1)
    turn = cmath.exp(0.7j)
    with torch.no_grad():
        module.complex[..., 0], module.complex[..., 1] = turn.real, turn.imag
        wave = torch.randn(2, 4, 2, 2, dtype=torch.float64)
        turned = module._turned(wave)
    before, after = (torch.complex(value[:, ::2], value[:, 1::2]) for value in (wave, turned))
    torch.testing.assert_close(after, before * turn)


def test_starts_as_published() -> None:
    x = FeatureMap(128, Size(2, 2))
    torch.manual_seed(3)
    module = instantiate(resolved("wave", {"ratio": 2, "groups": 128}, x), x)
    assert module.complex.std().item() == pytest.approx(1, rel=0.1)
    assert module.theta.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert module.proj_out.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    # two channels of a group come out, and each number of nine places is reached by them
    assert module.conv.conv.weight.std().item() == pytest.approx((2 / (9 * 2)) ** 0.5, rel=0.05)
    assert module.attn.squeeze.out_channels == 32
    assert not any(value.any() for name, value in module.named_parameters() if name.endswith("bias"))


def test_refuses_channels_that_cannot_be_squeezed() -> None:
    x = FeatureMap(6, Size(4, 4))
    with pytest.raises(Refused, match="divisible by 4") as refusal:
        shape_at(resolved("wave", {"ratio": 2, "groups": 1}, x), x)
    assert refusal.value.help == "use 8 channels, the next multiple of 4"


def test_refuses_groups_that_do_not_divide_the_hidden_channels() -> None:
    x = FeatureMap(8, Size(4, 4))
    with pytest.raises(Refused, match="must divide the hidden channels") as refusal:
        shape_at(resolved("wave", {"ratio": 2, "groups": 32}, x), x)
    assert refusal.value.label == "2 * 8 is 16"
