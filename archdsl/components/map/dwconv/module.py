"""The reference of `dwconv`."""

from __future__ import annotations

from archdsl.components.convolution import PaddedConvolution, start
from archdsl.components.map.dwconv.spec import DwConv
from archdsl.schema.units import FeatureMap


class DepthwiseConvolution(PaddedConvolution):
    """Depthwise convolution of a map [B, C, H, W] into [B, C, H', W']."""

    def __init__(self, spec: DwConv, x: FeatureMap) -> None:
        groups = x.channels
        super().__init__(x, out=x.channels, kernel=spec.kernel, stride=spec.stride, groups=groups, bias=spec.bias, pad=spec.pad)
        start(self, spec.init)
