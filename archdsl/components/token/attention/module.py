"""The reference of `attention`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last, from_tiles, into_tiles
from archdsl.components.projection import projection
from archdsl.components.relative_bias import expanded, resized
from archdsl.components.token.attention.spec import Attention
from archdsl.schema.units import FeatureMap


class FullAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to those of its window, or of all tokens [B, C, N] to all."""

    def __init__(self, spec: Attention, x: FeatureMap) -> None:
        super().__init__()
        channels = x.channels
        self.heads = spec.heads_for(channels)
        self.scale = (channels // self.heads) ** -0.5
        self.window = spec.window
        self.of_input = spec.lepe_of == "input"
        self.register_parameter("relative_bias", None)
        if spec.relative_bias:
            height, width = spec.relative_bias
            self.relative_bias = nn.Parameter(torch.empty(self.heads, 2 * height - 1, 2 * width - 1))
            nn.init.normal_(self.relative_bias, std=0.02)
        self.qkv = projection(channels, 3 * channels, bias=spec.qkv_bias)
        self.proj = projection(channels, channels)
        self.lepe = None
        if spec.lepe:
            sides = (spec.lepe.height // 2, spec.lepe.width // 2)
            self.lepe = nn.Conv2d(channels, channels, tuple(spec.lepe), padding=sides, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(channels_last(x))  # [B, H, W, 3C] or [B, N, 3C]
        y = self._in_windows(qkv) if x.dim() == 4 else self._attended(qkv)
        if self.lepe is not None:
            source = x if self.of_input else channels_first(qkv[..., 2 * x.shape[1] :])
            y = y + channels_last(self.lepe(source))
        return channels_first(self.proj(y))

    def _in_windows(self, qkv: Tensor) -> Tensor:
        """Attention in each window of a map: of [B, H, W, 3C] the heads side by side, [B, H, W, C]."""
        height, width = qkv.shape[1:3]
        tile = self.window or (height, width)
        grid = (height // tile[0], width // tile[1])
        bias = None if self.relative_bias is None else expanded(resized(self.relative_bias, tile), tile)
        return from_tiles(self._attended(into_tiles(qkv, grid, tile), bias), grid, tile)

    def _attended(self, qkv: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attention of each of n positions to all of them: of [..., n, 3C] the heads side by side, [..., n, C]."""
        parts = qkv.unflatten(-1, (3, self.heads, -1)).transpose(-4, -2)
        q, k, v = parts.unbind(-3)  # [..., heads, n, head_dim] each
        logits = (q * self.scale).matmul(k.transpose(-2, -1))  # [..., heads, n, n]
        if bias is not None:
            logits = logits + bias
        return logits.softmax(-1).matmul(v).transpose(-3, -2).flatten(-2)
