"""The fields, shapes and cost of `layernorm`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("layernorm", slot="map", module="archdsl.components.map.layernorm.module:LayerNorm")
@dataclass(frozen=True, slots=True)
class LayerNorm(Component):
    """Layer norm over the channels of each position."""

    eps: float = field(default=1e-5, gt=0, doc="added to the variance")

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels,), "bias": (x.channels,)}

    def cost(self, x: FeatureMap) -> Cost:
        return Cost({"layer_norm": 5 * x.elements})
