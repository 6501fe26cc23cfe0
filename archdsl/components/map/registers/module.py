"""The reference of `registers`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.registers import spec as schema
from archdsl.components.projection import embedding
from archdsl.components.tokens import with_tokens
from archdsl.schema.units import FeatureMap


class Registers(nn.Module):
    """A map [B, C, H, W] or tokens [B, C, N] with `count` more tokens before the grid: [B, C, N + count].

    They are drawn from a normal distribution of deviation 0.02 cut off at -2 and 2.
    """

    def __init__(self, spec: schema.Registers, x: FeatureMap) -> None:
        super().__init__()
        self.extra = x.extra
        self.weight = embedding(spec.count, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        return with_tokens(x, self.weight.t(), self.extra)
