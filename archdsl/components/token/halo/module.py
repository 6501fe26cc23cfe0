"""The reference of `halo`."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from archdsl.components.pointwise import pointwise
from archdsl.components.relative_logits import RelativeLogits
from archdsl.components.token.halo.operator import attention, halo_attention, supports
from archdsl.components.token.halo.spec import Halo
from archdsl.kernels.choice import Kernelled
from archdsl.schema.units import FeatureMap


class HaloAttention(Kernelled):
    """Attention of the blocks of a map [B, C, H, W] to their windows: [B, values, H', W'].

    The window of a block is the block and the halo around it. Outside the map keys and values are zero and not masked.
    """

    def __init__(self, spec: Halo, x: FeatureMap) -> None:
        super().__init__()
        self.block = (spec.block.height, spec.block.width)
        self.halo = spec.halo
        self.query_stride = spec.query_stride
        self.pool = spec.stride // spec.query_stride
        self.heads = spec.heads_for(x.channels)
        head_dim = x.channels // self.heads
        self.scale = head_dim**-0.5
        self.declined = supports(spec, x)
        self.q = pointwise(x.channels, x.channels, stride=self.query_stride)
        self.kv = pointwise(x.channels, x.channels + spec.values(x))
        self.pos_embed = RelativeLogits((spec.window.height, spec.window.width), head_dim)

    def forward(self, x: Tensor) -> Tensor:
        q, kv = self.q(x), self.kv(x)
        height_rel, width_rel = self.pos_embed.height_rel, self.pos_embed.width_rel
        if self.runs_operator(q):
            # under autocast the maps are in its number format, the tables are not
            tables = (height_rel.to(q.dtype), width_rel.to(q.dtype))
            y = halo_attention(q, kv, *tables, self.heads, *self.block, self.halo, self.query_stride, self.scale)
        else:
            y, _ = attention(q, kv, height_rel, width_rel, self.heads, self.block, self.halo, self.query_stride, self.scale)
        return F.avg_pool2d(y, self.pool) if self.pool > 1 else y
