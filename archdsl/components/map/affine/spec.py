"""The field, weights and cost of `affine`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("affine", slot="map", module="archdsl.components.map.affine.module:Affine")
@dataclass(frozen=True, slots=True)
class Affine(Component):
    """Each channel times a learned factor plus a learned shift: a depthwise 1x1 convolution, and counted as one."""

    init: float = field(default=1.0, doc="value of every factor at the start; the shifts are 0")

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels, 1, 1, 1), "bias": (x.channels,)}

    def cost(self, x: FeatureMap) -> Cost:
        return Cost({"conv": x.elements})
