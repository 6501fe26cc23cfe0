"""The reference of `aggregated`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.convolution import start_by_fan_out
from archdsl.components.cosine import temperature
from archdsl.components.maps import channels_first, channels_last
from archdsl.components.position.module import PositionBias
from archdsl.components.projection import embedding, projection
from archdsl.components.tables import Tabled
from archdsl.components.token.aggregated.spec import Aggregated
from archdsl.schema.units import FeatureMap, Size

_LOCAL_STD = 4e-4


class AggregatedAttention(Tabled):
    """Attention of each position of a map [B, C, H, W] to its neighbours and to the pooled map, in one softmax.

    Queries and keys have length 1. What a position takes from its neighbours has a second part that no softmax sees: the
    products of its query with learnable tokens.
    """

    def __init__(self, spec: Aggregated, x: FeatureMap) -> None:
        super().__init__()
        assert x.size is not None
        channels, taps = x.channels, spec.window.area
        self.spec = spec
        self.size, self.cells = x.size, spec.cells(x.size)
        self.heads = channels // spec.head_dim
        self.temperature = temperature(self.heads)
        self.query_embedding = embedding(self.heads, 1, spec.head_dim)
        self.local_bias = nn.Parameter(nn.init.trunc_normal_(torch.empty(self.heads, taps), std=_LOCAL_STD))
        self.learnable_tokens = embedding(self.heads, spec.head_dim, taps)
        self.learnable_bias = nn.Parameter(torch.zeros(self.heads, 1, taps))
        self.q = projection(channels, channels)
        self.kv = projection(channels, 2 * channels)
        self.reduce = nn.Conv2d(channels, channels, 1)
        start_by_fan_out(self.reduce)
        self.norm = nn.LayerNorm(channels)
        self.proj = projection(channels, channels)
        self.position = PositionBias(self.size, self.cells, heads=self.heads, pretrain=spec.pretrain)
        self.keep_tables()

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        size, cells = Size(int(height), int(width)), self.cells
        outside, sharpness = self.outside, self.sharpness
        if size != self.size:
            cells = self.spec.cells(size)
            outside, sharpness = self._surroundings(size, cells)
        tokens = channels_last(x)
        q = F.normalize(self._by_head(self.q(tokens)), dim=-1)  # [B, heads, HW, head_dim]
        k, v = self._keys_and_values(tokens)
        query = (q + self.query_embedding) * (F.softplus(self.temperature) * sharpness)

        near_k, near_v = self._near(torch.cat((k, v), 1), size)  # [B, heads, HW, head_dim, taps] each
        near = query.unsqueeze(-2).matmul(near_k).squeeze(-2) + self.local_bias.unsqueeze(1)  # [B, heads, HW, taps]
        near = near.masked_fill(outside, float("-inf"))
        far_k, far_v = self._keys_and_values(self._pooled(x, cells))  # [B, heads, cells, head_dim] each
        far = query.matmul(far_k.transpose(-2, -1)) + self.position(size, cells)  # [B, heads, HW, cells]

        weight = torch.cat((near, far), -1).softmax(-1)
        near_weight, far_weight = weight.split((self.spec.window.area, cells.area), -1)
        near_weight = near_weight + (q.matmul(self.learnable_tokens) + self.learnable_bias)
        y = near_v.matmul(near_weight.unsqueeze(-1)).squeeze(-1) + far_weight.matmul(far_v)
        y = y.transpose(1, 2).reshape(batch, *size, channels)
        return channels_first(self.proj(y))

    def tables(self) -> Mapping[str, Tensor]:
        return dict(zip(("outside", "sharpness"), self._surroundings(self.size, self.cells), strict=True))

    def _by_head(self, tokens: Tensor) -> Tensor:
        """[B, ..., C] as [B, heads, positions, head_dim]."""
        return tokens.reshape(tokens.shape[0], -1, self.heads, self.spec.head_dim).transpose(1, 2)

    def _keys_and_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.kv(tokens).chunk(2, -1)
        return F.normalize(self._by_head(k), dim=-1), self._by_head(v)

    def _near(self, tokens: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Of each position the keys and the values in its window; those outside of the map are zero."""
        window, d = self.spec.window, self.spec.head_dim
        maps = tokens.transpose(2, 3).reshape(tokens.shape[0], 2 * self.heads * d, *size)
        taps = F.unfold(maps, tuple(window), padding=(window.height // 2, window.width // 2))
        taps = taps.reshape(-1, 2 * self.heads, d, window.area, size.area).permute(0, 1, 4, 2, 3)
        k, v = taps.chunk(2, 1)
        return k, v

    def _pooled(self, x: Tensor, cells: Size) -> Tensor:
        """The pooled map, seen with the channels last."""
        return self.norm(channels_last(F.adaptive_avg_pool2d(F.gelu(self.reduce(x)), tuple(cells))))

    def _surroundings(self, size: Size, cells: Size) -> tuple[Tensor, Tensor]:
        """Which places of each position's window lie outside [HW, taps], and the logarithm of what it attends to [HW, 1]."""
        like = self.temperature
        sides = []
        for length, reach in zip(size, self.spec.window, strict=True):
            place = torch.arange(length, device=like.device)[:, None] + torch.arange(reach, device=like.device) - reach // 2
            sides.append((place < 0) | (place >= length))
        down, across = sides
        outside = (down[:, None, :, None] | across[None, :, None, :]).reshape(size.area, -1)
        count = (~outside).sum(-1, keepdim=True) + cells.area
        return outside, count.to(like).log()
