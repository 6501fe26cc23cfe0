"""The reference of `layernorm`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.layernorm import spec as schema
from archdsl.components.maps import channels_first, channels_last
from archdsl.schema.units import FeatureMap


class LayerNorm(nn.LayerNorm):
    """Layer norm over the channels of a map [B, C, H, W], of tokens [B, C, N] or of a vector [B, C].

    Weight 1 and bias 0 at the start.
    """

    def __init__(self, spec: schema.LayerNorm, x: FeatureMap) -> None:
        super().__init__(x.channels, eps=spec.eps)

    def forward(self, x: Tensor) -> Tensor:
        return channels_first(super().forward(channels_last(x)))
