"""The reference of `window_attention`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last, from_tiles, into_tiles, padded_to
from archdsl.components.projection import projection
from archdsl.components.token.window_attention import spec as schema
from archdsl.schema.units import FeatureMap


class WindowAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to the positions of its window.

    The map is padded with zeros right and bottom to whole windows. Padded positions are not masked: their queries, keys
    and values are the bias of the projection, and the others attend to them.
    """

    def __init__(self, spec: schema.WindowAttention, x: FeatureMap) -> None:
        super().__init__()
        self.window = (spec.window.height, spec.window.width)
        self.heads = x.channels // spec.head_dim
        self.scale = spec.head_dim**-0.5
        self.qkv = projection(x.channels, 3 * x.channels, bias=spec.qkv_bias)
        self.proj = projection(x.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = padded_to(channels_last(x), self.window)
        grid = (x.shape[1] // self.window[0], x.shape[2] // self.window[1])

        x = into_tiles(x, grid, self.window)  # [B, windows, positions, C]
        count, positions = x.shape[1:3]
        parts = self.qkv(x).reshape(batch, count, positions, 3, self.heads, channels // self.heads)
        q, k, v = parts.permute(3, 0, 1, 4, 2, 5).unbind(0)  # [B, windows, heads, positions, head_dim] each

        weight = (q * self.scale).matmul(k.transpose(-2, -1)).softmax(-1)  # [B, windows, heads, positions, positions]
        y = weight.matmul(v).transpose(2, 3).reshape(batch, count, positions, channels)
        y = from_tiles(self.proj(y), grid, self.window)
        return channels_first(y[:, :height, :width])
