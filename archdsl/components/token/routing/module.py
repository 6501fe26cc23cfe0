"""The reference of `routing`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last, from_tiles, into_tiles, padded_to
from archdsl.components.projection import projection
from archdsl.components.token.routing.spec import Routing
from archdsl.schema.units import FeatureMap


class BiLevelRoutingAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to the positions of the regions that its own region is routed to.

    The scale is that of all channels, not of a head, for the routes as for the attention. The routes carry no gradient.
    """

    def __init__(self, spec: Routing, x: FeatureMap) -> None:
        super().__init__()
        channels = x.channels
        self.grid = (spec.regions.height, spec.regions.width)
        self.topk = spec.topk
        self.pad = spec.pad
        self.heads = channels // spec.head_dim
        self.scale = channels**-0.5
        self.qkv = projection(channels, 3 * channels)
        self.proj = projection(channels, channels)
        self.lepe = None
        if spec.lepe:
            sides = (spec.lepe.height // 2, spec.lepe.width // 2)
            self.lepe = nn.Conv2d(channels, channels, tuple(spec.lepe), padding=sides, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = channels_last(x)
        if self.pad:
            x = padded_to(x, self.grid)
        tile = (x.shape[1] // self.grid[0], x.shape[2] // self.grid[1])
        qkv = self.qkv(x)  # [B, H, W, 3C]
        tokens = into_tiles(qkv, self.grid, tile)  # [B, R, hw, 3C]
        regions, positions = tokens.shape[1:3]

        keyed = self._gather(tokens[..., channels:], self._routes(tokens))  # [B, R, k*hw, 2C]
        split = keyed.reshape(batch, regions, self.topk * positions, 2, self.heads, channels // self.heads)
        k, v = split.permute(3, 0, 1, 4, 2, 5).unbind(0)  # [B, R, heads, k*hw, head_dim] each
        q = tokens[..., :channels].reshape(batch, regions, positions, self.heads, channels // self.heads).transpose(2, 3)

        weight = (q * self.scale).matmul(k.transpose(-2, -1)).softmax(-1)  # [B, R, heads, hw, k*hw]
        y = weight.matmul(v).transpose(2, 3).reshape(batch, regions, positions, channels)
        y = from_tiles(y, self.grid, tile)
        if self.lepe is not None:
            y = y + channels_last(self.lepe(channels_first(qkv[..., 2 * channels :])))
        return channels_first(self.proj(y)[:, :height, :width])

    def _routes(self, tokens: Tensor) -> Tensor:
        channels = tokens.shape[-1] // 3
        settled = tokens.detach()
        query = settled[..., :channels].mean(2)  # [B, R, C]
        key = settled[..., channels : 2 * channels].mean(2)  # [B, R, C]
        likeness = (query * self.scale).matmul(key.transpose(-2, -1))  # [B, R, R]
        return likeness.topk(self.topk, -1).indices  # [B, R, k]

    def _gather(self, tokens: Tensor, routes: Tensor) -> Tensor:
        batch, regions, positions, channels = tokens.shape
        rows = tokens.reshape(batch, regions, positions * channels)
        index = routes.reshape(batch, regions * self.topk, 1).expand(-1, -1, positions * channels)
        return rows.gather(1, index).reshape(batch, regions, self.topk * positions, channels)
