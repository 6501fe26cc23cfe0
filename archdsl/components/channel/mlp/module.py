"""The reference of `mlp`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.channel.mlp import spec as schema
from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap


class Mlp(nn.Module):
    """Linear, activation, linear over the channels of a map [B, C, H, W], of tokens [B, C, N] or of a vector [B, C]."""

    def __init__(self, spec: schema.Mlp, x: FeatureMap) -> None:
        super().__init__()
        hidden = spec.hidden(x)
        self.fc1 = projection(x.channels, hidden.channels)
        self.act = instantiate(spec.act, hidden)
        self.fc2 = projection(hidden.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(channels_first(self.fc1(channels_last(x))))  # [B, ratio * C, H, W]
        return channels_first(self.fc2(channels_last(hidden)))
