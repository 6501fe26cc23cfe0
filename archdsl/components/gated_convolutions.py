"""Convolutions, alone and with a norm, and gates of the channels; all start with a deviation of sqrt(2 / fan out)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from archdsl.components.convolution import start_by_fan_out


def centred_convolution(
    inputs: int, outputs: int, kernel: int = 1, *, groups: int = 1, dilation: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A square convolution, odd and centred, that keeps the size of the map.

    It starts as `start_by_fan_out` does.
    """
    side = dilation * (kernel // 2)
    made = nn.Conv2d(inputs, outputs, kernel, padding=side, dilation=dilation, groups=groups, bias=bias)
    start_by_fan_out(made)
    return made


def bare_convolution(channels: int, *, groups: int, dilation: int = 1) -> nn.Sequential:
    """A 3x3 convolution from as many channels to as many, without a bias."""
    conv = centred_convolution(channels, channels, 3, groups=groups, dilation=dilation, bias=False)
    return nn.Sequential(OrderedDict(conv=conv))


def normed_convolution(channels: int, *, groups: int, dilation: int = 1, eps: float) -> nn.Sequential:
    """A 3x3 convolution from as many channels to as many, batch norm, gelu."""
    conv = centred_convolution(channels, channels, 3, groups=groups, dilation=dilation, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(channels, eps=eps), act=nn.GELU()))


def gate(channels: int, squeezed: int) -> nn.Sequential:
    """A number between 0 and 1 for each channel of a map [B, C, H, W], from its mean: [B, C, 1, 1]."""
    return nn.Sequential(
        OrderedDict(
            pool=nn.AdaptiveAvgPool2d(1),
            squeeze=centred_convolution(channels, squeezed),
            act=nn.ReLU(),
            expand=centred_convolution(squeezed, channels),
            sigmoid=nn.Sigmoid(),
        )
    )
