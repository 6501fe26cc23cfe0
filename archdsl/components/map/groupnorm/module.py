"""The reference of `groupnorm`."""

from __future__ import annotations

from torch import nn

from archdsl.components.map.groupnorm import spec as schema
from archdsl.schema.units import FeatureMap


class GroupNorm(nn.GroupNorm):
    """Group norm of a map [B, C, H, W], of tokens [B, C, N] or of a vector [B, C]; weight 1 and bias 0 at the start."""

    def __init__(self, spec: schema.GroupNorm, x: FeatureMap) -> None:
        super().__init__(spec.groups, x.channels, eps=spec.eps)
