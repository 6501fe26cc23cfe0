"""The reference of `channel_attention`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.components.token.channel_attention import spec as schema
from archdsl.schema.units import FeatureMap


class ChannelAttention(nn.Module):
    """Attention among the channels of each group of a map [B, C, H, W].

    The weights are a softmax over products of keys and values, summed over all positions; they mix the queries. The scale
    does not depend on the number of positions.
    """

    def __init__(self, spec: schema.ChannelAttention, x: FeatureMap) -> None:
        super().__init__()
        self.heads = x.channels // spec.head_dim
        self.scale = spec.head_dim**-0.5
        self.qkv = projection(x.channels, 3 * x.channels)
        self.proj = projection(x.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        parts = self.qkv(channels_last(x)).reshape(batch, height * width, 3, self.heads, channels // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)  # [B, groups, HW, head_dim] each

        weight = (k * self.scale).transpose(-2, -1).matmul(v).softmax(-1)  # [B, groups, head_dim, head_dim]
        y = q.matmul(weight.transpose(-2, -1)).transpose(1, 2).reshape(batch, height, width, channels)
        return channels_first(self.proj(y))
