"""The reference of `linear`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.linear.spec import Linear
from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import start_projection
from archdsl.schema.units import FeatureMap


class LinearMap(nn.Linear):
    """Linear map of the channels of a map [B, C, H, W], of tokens [B, C, N] or of a vector [B, C].

    Started as `start_projection` does.
    """

    def __init__(self, spec: Linear, x: FeatureMap) -> None:
        super().__init__(x.channels, spec.out, bias=spec.bias)
        start_projection(self, spec.std)

    def forward(self, x: Tensor) -> Tensor:
        return channels_first(super().forward(channels_last(x)))
