"""The reference of `mean`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.mean import spec as schema
from archdsl.schema.units import FeatureMap


class Mean(nn.Module):
    """The mean of a map [B, C, H, W] over its positions, of tokens [B, C, N] over all of them: [B, C]. One token stays."""

    def __init__(self, spec: schema.Mean, x: FeatureMap) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(tuple(range(2, x.dim()))) if x.dim() > 2 else x
