"""The reference of `class_attention`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.projection import projection
from archdsl.components.token.class_attention import spec as schema
from archdsl.schema.units import FeatureMap


class ClassAttention(nn.Module):
    """Attention of the class token to all tokens [B, C, N]: the class token [B, C]."""

    def __init__(self, spec: schema.ClassAttention, x: FeatureMap) -> None:
        super().__init__()
        self.place = spec.place(x)
        self.heads = spec.heads_for(x.channels)
        self.scale = (x.channels // self.heads) ** -0.5
        self.q = projection(x.channels, x.channels, bias=False)
        self.kv = projection(x.channels, 2 * x.channels, bias=False)
        self.proj = projection(x.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x[..., self.place]).unflatten(-1, (self.heads, 1, -1))  # [B, heads, 1, head_dim]
        kv = self.kv(x.transpose(1, 2)).unflatten(-1, (2, self.heads, -1)).transpose(1, 3)
        k, v = kv.unbind(2)  # [B, heads, N, head_dim] each
        y = (q * self.scale).matmul(k.transpose(-2, -1)).softmax(-1).matmul(v)
        return self.proj(y.flatten(1))
