"""The reference of `layer_scale`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdsl.components.map.layer_scale import spec as schema
from archdsl.components.maps import by_channel
from archdsl.schema.units import FeatureMap


class LayerScale(nn.Module):
    """Each channel of a map [B, C, H, W], of tokens [B, C, N] or of a vector [B, C] times its factor.

    All factors are `init` at the start.
    """

    def __init__(self, spec: schema.LayerScale, x: FeatureMap) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((x.channels,), spec.init))

    def forward(self, x: Tensor) -> Tensor:
        return x * by_channel(self.weight, x)
