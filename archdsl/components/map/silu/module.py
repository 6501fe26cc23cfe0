"""The reference of `silu`."""

from __future__ import annotations

from torch import nn

from archdsl.components.map.silu import spec as schema
from archdsl.schema.units import FeatureMap


class Silu(nn.SiLU):
    """x times the sigmoid of x, at each element."""

    def __init__(self, spec: schema.Silu, x: FeatureMap) -> None:
        super().__init__()
