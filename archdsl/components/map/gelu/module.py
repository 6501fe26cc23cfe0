"""The reference of `gelu`."""

from __future__ import annotations

from torch import nn

from archdsl.components.map.gelu import spec as schema
from archdsl.schema.units import FeatureMap


class Gelu(nn.GELU):
    """x times the normal distribution function of x, at each element."""

    def __init__(self, spec: schema.Gelu, x: FeatureMap) -> None:
        super().__init__()
