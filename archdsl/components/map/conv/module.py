"""The reference of `conv`."""

from __future__ import annotations

from archdsl.components.convolution import PaddedConvolution, start
from archdsl.components.map.conv.spec import Conv
from archdsl.schema.units import FeatureMap


class Convolution(PaddedConvolution):
    """Convolution of a map [B, C, H, W] into [B, out, H', W']."""

    def __init__(self, spec: Conv, x: FeatureMap) -> None:
        super().__init__(
            x, out=spec.out, kernel=spec.kernel, stride=spec.stride, groups=spec.groups, bias=spec.bias, pad=spec.pad
        )
        start(self, spec.init)
