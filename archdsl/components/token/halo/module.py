"""The reference of `halo`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.pointwise import pointwise
from archdsl.components.relative_logits import RelativeLogits
from archdsl.components.token.halo.spec import Halo
from archdsl.schema.units import FeatureMap


class HaloAttention(nn.Module):
    """Attention of the blocks of a map [B, C, H, W] to their windows: [B, values, H', W'].

    The window of a block is the block and the halo around it. Outside the map keys and values are zero and not masked.
    """

    def __init__(self, spec: Halo, x: FeatureMap) -> None:
        super().__init__()
        self.block = (spec.block.height, spec.block.width)
        self.window = (spec.window.height, spec.window.width)
        self.halo = spec.halo
        self.query_stride = spec.query_stride
        self.pool = spec.stride // spec.query_stride
        self.heads = spec.heads_for(x.channels)
        self.head_dim = x.channels // self.heads
        self.value_dim = spec.values(x) // self.heads
        self.scale = self.head_dim**-0.5
        self.q = pointwise(x.channels, x.channels, stride=self.query_stride)
        self.kv = pointwise(x.channels, x.channels + spec.values(x))
        self.pos_embed = RelativeLogits(self.window, self.head_dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        grid = (height // self.block[0], width // self.block[1])
        side = (self.block[0] // self.query_stride, self.block[1] // self.query_stride)

        q = self.q(x).reshape(batch, self.heads, self.head_dim, grid[0], side[0], grid[1], side[1])
        q = q.permute(0, 1, 3, 5, 4, 6, 2)  # [B, heads, rows, columns, *side, head_dim]

        kv = F.pad(self.kv(x), (self.halo,) * 4)
        kv = kv.unfold(2, self.window[0], self.block[0]).unfold(3, self.window[1], self.block[1])
        # each head has its keys, then its values
        kv = kv.reshape(batch, self.heads, self.head_dim + self.value_dim, *grid, self.window[0] * self.window[1])
        k, v = kv.permute(0, 1, 3, 4, 5, 2).split([self.head_dim, self.value_dim], dim=-1)

        # the queries of the relative term are not scaled
        logits = (q * self.scale).flatten(4, 5).matmul(k.transpose(-2, -1)) + self.pos_embed(q)
        y = logits.softmax(-1).matmul(v)  # [B, heads, rows, columns, queries of a block, value_dim]

        y = y.reshape(batch, self.heads, *grid, *side, self.value_dim).permute(0, 1, 6, 2, 4, 3, 5)
        y = y.reshape(batch, self.heads * self.value_dim, grid[0] * side[0], grid[1] * side[1])
        return F.avg_pool2d(y, self.pool) if self.pool > 1 else y
