"""The reference of `strip`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.components.token.strip import spec as schema
from archdsl.schema.units import FeatureMap


class StripAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to the positions of the reduced map, over few channels."""

    def __init__(self, spec: schema.Strip, x: FeatureMap) -> None:
        super().__init__()
        channels, narrow, step = x.channels, spec.narrow(x), spec.reduction
        self.heads = channels // spec.head_dim
        self.scale = spec.strip_dim**-0.5
        self.reduce = nn.Conv2d(channels, channels, step, stride=step, groups=channels, bias=False) if step > 1 else None
        # a bias of the keys would not change the weights, and one of the values is that of the last map
        self.q = projection(channels, narrow, bias=False)
        self.k = projection(channels, narrow, bias=False)
        self.v = projection(channels, channels, bias=False)
        self.proj = projection(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        fewer = channels_last(x if self.reduce is None else self.reduce(x))  # [B, H / R, W / R, C]
        q = self._heads(self.q(channels_last(x)))  # [B, heads, HW, strip_dim]
        k, v = self._heads(self.k(fewer)), self._heads(self.v(fewer))  # [B, heads, HW / R^2, strip_dim or head_dim]

        weight = (q * self.scale).matmul(k.transpose(-2, -1)).softmax(-1)  # [B, heads, HW, HW / R^2]
        y = weight.matmul(v).transpose(1, 2).reshape(batch, height, width, channels)
        return channels_first(self.proj(y))

    def _heads(self, x: Tensor) -> Tensor:
        """[B, H, W, heads * d] seen as [B, heads, HW, d]."""
        batch, height, width, channels = x.shape
        return x.reshape(batch, height * width, self.heads, channels // self.heads).transpose(1, 2)
