"""The reference of `dropout`."""

from __future__ import annotations

from torch import nn

from archdsl.components.map.dropout import spec as schema
from archdsl.schema.units import FeatureMap


class Dropout(nn.Dropout):
    """In training, each element is zero with probability `rate` and divided by 1 - `rate` otherwise."""

    def __init__(self, spec: schema.Dropout, x: FeatureMap) -> None:
        super().__init__(p=spec.rate)
