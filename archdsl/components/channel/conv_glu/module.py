"""The reference of `conv_glu`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.channel.conv_glu import spec as schema
from archdsl.components.convolution import start_by_fan_out
from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap


class ConvGlu(nn.Module):
    """Two linear maps of the channels of [B, C, H, W] with a gate between, which sees the neighbours of a position."""

    def __init__(self, spec: schema.ConvGlu, x: FeatureMap) -> None:
        super().__init__()
        hidden = spec.hidden(x)
        h = hidden.channels
        sides = (spec.kernel.height // 2, spec.kernel.width // 2)
        self.fc1 = projection(x.channels, 2 * h)
        self.dwconv = nn.Conv2d(h, h, tuple(spec.kernel), padding=sides, groups=h)
        start_by_fan_out(self.dwconv)
        self.act = instantiate(spec.act, hidden)
        self.fc2 = projection(h, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = channels_first(self.fc1(channels_last(x))).chunk(2, 1)  # [B, h, H, W] each
        hidden = self.act(self.dwconv(gate)) * value
        return channels_first(self.fc2(channels_last(hidden)))
