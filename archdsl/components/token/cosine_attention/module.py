"""The reference of `cosine_attention`."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.cosine import temperature
from archdsl.components.maps import channels_first, channels_last
from archdsl.components.position.module import PositionBias
from archdsl.components.projection import embedding, projection
from archdsl.components.token.cosine_attention.spec import CosineAttention
from archdsl.schema.units import FeatureMap, Size


class LengthScaledCosineAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to all of them; queries and keys have length 1.

    The scale grows with the logarithm of the number of positions, so that more of them do not blur the attention.
    """

    def __init__(self, spec: CosineAttention, x: FeatureMap) -> None:
        super().__init__()
        assert x.size is not None
        self.heads = x.channels // spec.head_dim
        self.temperature = temperature(self.heads)
        self.query_embedding = embedding(self.heads, 1, spec.head_dim)
        self.qkv = projection(x.channels, 3 * x.channels)
        self.proj = projection(x.channels, x.channels)
        self.position = PositionBias(x.size, x.size, heads=self.heads, pretrain=spec.pretrain)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        size = Size(int(height), int(width))
        parts = self.qkv(channels_last(x)).reshape(batch, size.area, 3, self.heads, channels // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)  # [B, heads, HW, head_dim] each
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)

        query = (q + self.query_embedding) * (F.softplus(self.temperature) * math.log(size.area))
        weight = (query.matmul(k.transpose(-2, -1)) + self.position(size, size)).softmax(-1)  # [B, heads, HW, HW]
        y = weight.matmul(v).transpose(1, 2).reshape(batch, *size, channels)
        return channels_first(self.proj(y))
