"""The reference of `gpsa`."""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.components.token.gpsa.spec import Gpsa
from archdsl.schema.units import FeatureMap


class GatedPositionalAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to all others, by content and by where they lie.

    A square number of heads starts like a convolution: each head looks at a place of its own around the position, and the
    values are the input. Of other numbers, the heads beyond the largest square start without a place.
    """

    def __init__(self, spec: Gpsa, x: FeatureMap) -> None:
        super().__init__()
        self.heads = spec.heads_for(x.channels)
        self.scale = (x.channels // self.heads) ** -0.5
        self.gating_param = nn.Parameter(torch.ones(self.heads))
        self.qk = projection(x.channels, 2 * x.channels, bias=False)
        self.v = projection(x.channels, x.channels, bias=False)
        self.proj = projection(x.channels, x.channels)
        self.pos_proj = projection(3, self.heads)
        nn.init.eye_(self.v.weight)
        with torch.no_grad():
            self._start_local(spec.locality)

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        tokens = channels_last(x.flatten(2))  # [B, N, C]
        q, k = self.qk(tokens).unflatten(-1, (2, self.heads, -1)).transpose(1, 3).unbind(2)
        by_content = (q.matmul(k.transpose(-2, -1)) * self.scale).softmax(-1)  # [B, heads, N, N]

        steps = relative_steps(size, self.pos_proj.weight)
        by_position = self.pos_proj(steps).permute(2, 0, 1).softmax(-1)  # [heads, N, N]

        gate = self.gating_param.sigmoid()[:, None, None]
        weights = (1 - gate) * by_content + gate * by_position
        # each row has the sum 1 but for rounding
        weights = weights / weights.sum(-1, keepdim=True)
        v = self.v(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        y = self.proj(weights.matmul(v).transpose(1, 2).flatten(2))
        return channels_first(y).unflatten(-1, size)

    def _start_local(self, locality: float) -> None:
        """Put the largest square of heads on a square of places: the logits fall with the squared distance from the place."""
        side = isqrt(self.heads)
        for head in range(side * side):
            # heads go through the square column by column, as published
            right, down = divmod(head, side)
            middle = (side - 1) / 2
            place = torch.tensor([2 * (right - middle), 2 * (down - middle), -1.0])
            self.pos_proj.weight[head] = locality * place


def relative_steps(size: tuple[int, int], like: Tensor) -> Tensor:
    """From each position of a map to each other: steps to the right, steps down, squared distance, [N, N, 3]."""
    height, width = size
    rows, columns = (torch.arange(length, dtype=like.dtype, device=like.device) for length in size)
    down = (rows - rows[:, None])[:, None, :, None].expand(height, width, height, width)
    right = (columns - columns[:, None])[:, None, :].expand(height, width, height, width)
    squared = down.square() + right.square()
    return torch.stack([right, down, squared], dim=-1).reshape(height * width, height * width, 3)
