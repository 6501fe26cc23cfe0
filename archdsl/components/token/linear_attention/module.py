"""The reference of `linear_attention`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.projection import start_projection
from archdsl.components.token.linear_attention import spec as schema
from archdsl.schema.units import FeatureMap


class LinearAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to all of them, by products that are never made one by one."""

    def __init__(self, spec: schema.LinearAttention, x: FeatureMap) -> None:
        super().__init__()
        self.heads = x.channels // spec.head_dim
        self.eps = spec.eps
        self.qk = nn.Conv2d(x.channels, 2 * x.channels, 1)
        start_projection(self.qk)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        positions = height * width
        parts = (F.elu(self.qk(x)) + 1).reshape(batch, 2, self.heads, channels // self.heads, positions)
        q, k = parts.transpose(-2, -1).unbind(1)  # [B, heads, HW, head_dim] each
        v = x.reshape(batch, self.heads, channels // self.heads, positions).transpose(-2, -1)

        total = q.matmul(k.mean(dim=2, keepdim=True).transpose(-2, -1)) + self.eps  # [B, heads, HW, 1]
        context = k.transpose(-2, -1).matmul(v) / positions  # [B, heads, head_dim, head_dim]
        # the reciprocal of a small total has no place in half precision, the quotient has
        y = q.matmul(context) / total  # [B, heads, HW, head_dim]
        return y.transpose(-2, -1).reshape(batch, channels, height, width)
