"""The field, shapes and cost of `grn`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("grn", slot="map", module="archdsl.components.map.grn.module:GlobalResponseNorm")
@dataclass(frozen=True, slots=True)
class Grn(Component):
    """Global response norm: each channel scaled by its strength over the map, relative to that of all channels."""

    eps: float = field(default=1e-6, gt=0, doc="added to the mean strength of the channels")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"gamma": (1, x.channels, 1, 1), "beta": (1, x.channels, 1, 1)}

    def cost(self, x: FeatureMap) -> Cost:
        c = x.channels
        return Cost(unseen={"mean": c, "add": 1 + c + x.elements, "div": c, "mul": c + x.elements})
