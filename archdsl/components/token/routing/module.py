"""The reference of `routing`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last, from_tiles, into_tiles, padded_to
from archdsl.components.projection import projection
from archdsl.components.token.routing.operator import attention, routing_attention, supports
from archdsl.components.token.routing.spec import Routing
from archdsl.kernels.choice import Kernelled
from archdsl.schema.units import FeatureMap


class BiLevelRoutingAttention(Kernelled):
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
        self.declined = supports(spec, x)
        self.qkv = projection(channels, 3 * channels)
        self.proj = projection(channels, channels)
        self.lepe = None
        if spec.lepe:
            sides = (spec.lepe.height // 2, spec.lepe.width // 2)
            self.lepe = nn.Conv2d(channels, channels, tuple(spec.lepe), padding=sides, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        x = channels_last(x)
        if self.pad:
            x = padded_to(x, self.grid)
        tile = (x.shape[1] // self.grid[0], x.shape[2] // self.grid[1])
        qkv = self.qkv(x)  # [B, H, W, 3C]
        if self.runs_operator(qkv):
            routes = self._routes(self._means(qkv.detach(), tile))
            y = routing_attention(qkv, routes, self.heads, *self.grid, self.scale)
        else:
            tokens = into_tiles(qkv, self.grid, tile)  # [B, R, hw, 3C]
            routes = self._routes(tokens.detach()[..., : 2 * channels].mean(2))
            y, _ = attention(tokens, routes, self.heads, self.scale)
            y = from_tiles(y, self.grid, tile)
        if self.lepe is not None:
            y = y + channels_last(self.lepe(channels_first(qkv[..., 2 * channels :])))
        return channels_first(self.proj(y)[:, :height, :width])

    def _means(self, qkv: Tensor, tile: tuple[int, int]) -> Tensor:
        """The mean query and key of each region, [B, R, 2C], without cutting the map into regions."""
        channels = 2 * qkv.shape[-1] // 3
        parts = qkv[..., :channels].reshape(qkv.shape[0], self.grid[0], tile[0], self.grid[1], tile[1], channels)
        return parts.mean((2, 4)).flatten(1, 2)

    def _routes(self, means: Tensor) -> Tensor:
        """The regions that each region is routed to, [B, R, k], by the mean query and key of each, [B, R, 2C]."""
        query, key = means.chunk(2, -1)
        likeness = (query * self.scale).matmul(key.transpose(-2, -1))  # [B, R, R]
        return likeness.topk(self.topk, -1).indices
