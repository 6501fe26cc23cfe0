"""Linear maps of the channels that are held as convolutions, with the start values of attention inside bottlenecks."""

from __future__ import annotations

from torch import nn


def pointwise(inputs: int, outputs: int, *, stride: int = 1) -> nn.Conv2d:
    """A convolution of kernel 1 without bias; its weights start normal, with deviation inputs ** -0.5, cut off at -2 and 2."""
    made = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
    nn.init.trunc_normal_(made.weight, std=inputs**-0.5)
    return made
