"""The fields, weights and cost of `layer_scale`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("layer_scale", slot="map", module="archdsl.components.map.layer_scale.module:LayerScale")
@dataclass(frozen=True, slots=True)
class LayerScale(Component):
    """Layer scale: each channel times a learned factor."""

    init: float = field(default=1.0, doc="value of every factor at the start")
    decay: bool = field(
        default=False, doc="whether the factors are trained with weight decay, as few are; has no part in the arithmetic"
    )

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels,)}

    def decayed(self) -> tuple[str, ...]:
        return ("weight",) if self.decay else ()

    def cost(self, x: FeatureMap) -> Cost:
        return Cost(unseen={"mul": x.elements})
