"""The reference of `bottleneck_attention`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.pointwise import pointwise
from archdsl.components.relative_logits import RelativeLogits
from archdsl.components.token.bottleneck_attention import spec as schema
from archdsl.schema.units import FeatureMap


class BottleneckAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to all of them: [B, C, H', W'], averaged down by the stride."""

    def __init__(self, spec: schema.BottleneckAttention, x: FeatureMap) -> None:
        super().__init__()
        assert x.size is not None
        self.stride = spec.stride
        self.heads = spec.heads_for(x.channels)
        self.scale = (x.channels // self.heads) ** -0.5
        self.qkv = pointwise(x.channels, 3 * x.channels)
        self.pos_embed = RelativeLogits((x.size.height, x.size.width), x.channels // self.heads)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        parts = self.qkv(x).reshape(batch, 3, self.heads, channels // self.heads, height * width)
        q, k, v = parts.transpose(3, 4).unbind(1)  # [B, heads, HW, head_dim] each

        # the queries of the relative term are not scaled
        relative = self.pos_embed(q.reshape(batch, self.heads, height, width, channels // self.heads))
        logits = (q * self.scale).matmul(k.transpose(-2, -1)) + relative  # [B, heads, HW, HW]
        y = logits.softmax(-1).matmul(v).transpose(2, 3).reshape(batch, channels, height, width)
        return F.avg_pool2d(y, self.stride) if self.stride > 1 else y
