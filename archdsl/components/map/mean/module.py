"""The reference of `mean`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.mean import spec as schema
from archdsl.schema.units import FeatureMap


class Mean(nn.Module):
    """The mean of a map [B, C, H, W] over its positions: [B, C]."""

    def __init__(self, spec: schema.Mean, x: FeatureMap) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))
