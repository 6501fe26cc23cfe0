"""The reference of `relu`."""

from __future__ import annotations

from torch import nn

from archdsl.components.map.relu import spec as schema
from archdsl.schema.units import FeatureMap


class Relu(nn.ReLU):
    """The larger of x and 0, at each element."""

    def __init__(self, spec: schema.Relu, x: FeatureMap) -> None:
        super().__init__()
