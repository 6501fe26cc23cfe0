"""The reference of `position_table`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.position_table import spec as schema
from archdsl.components.maps import channels_first
from archdsl.components.projection import embedding
from archdsl.schema.units import FeatureMap


class PositionTable(nn.Module):
    """A map [B, C, H, W], or tokens [B, C, N], and a vector for each position, added; for the size it was made for.

    The table is [H, W, C], or [N, C] where there are tokens beside the grid; it is drawn from a normal distribution of
    deviation 0.02 cut off at -2 and 2.
    """

    def __init__(self, spec: schema.PositionTable, x: FeatureMap) -> None:
        super().__init__()
        (shape,) = spec.weights(x).values()
        self.weight = embedding(*shape)

    def forward(self, x: Tensor) -> Tensor:
        return x + channels_first(self.weight[None])
