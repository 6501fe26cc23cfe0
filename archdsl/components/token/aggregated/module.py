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
from archdsl.components.token.aggregated.operator import aggregated_attention, attention, supports, surroundings
from archdsl.components.token.aggregated.spec import Aggregated
from archdsl.kernels.choice import Kernelled
from archdsl.schema.units import FeatureMap, Size

_LOCAL_STD = 4e-4


class AggregatedAttention(Kernelled, Tabled):
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
        self.declined = supports(spec, x)
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
        _, _, height, width = x.shape
        size, cells, window = Size(int(height), int(width)), self.cells, tuple(self.spec.window)
        if size != self.size:
            cells = self.spec.cells(size)
        tokens = channels_last(x)
        q, kv = self.q(tokens), self.kv(tokens)  # [B, H, W, C] and [B, H, W, 2C]
        far_kv = self.kv(self._pooled(x, cells)).flatten(1, 2)  # [B, cells, 2C]
        sharpness = F.softplus(self.temperature).flatten()
        near = (self.query_embedding, sharpness, self.local_bias, self.learnable_tokens, self.learnable_bias)
        far_bias = self.position(size, cells)
        if self.runs_operator(q):
            y = aggregated_attention(q, kv, far_kv, *near, far_bias, self.heads, *window)
        else:
            tables = self.outside, self.log_places
            if size != self.size:
                tables = surroundings(size, cells.area, window, self.temperature)
            y, _ = attention(q, kv, far_kv, *near, far_bias, self.heads, window, *tables)
        return channels_first(self.proj(y))

    def tables(self) -> Mapping[str, Tensor]:
        found = surroundings(self.size, self.cells.area, tuple(self.spec.window), self.temperature)
        return dict(zip(("outside", "log_places"), found, strict=True))

    def _pooled(self, x: Tensor, cells: Size) -> Tensor:
        """The pooled map, seen with the channels last."""
        return self.norm(channels_last(F.adaptive_avg_pool2d(F.gelu(self.reduce(x)), tuple(cells))))
