"""The shape and cost of `mean`."""

from __future__ import annotations

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("mean", slot="map", module="archdsl.components.map.mean.module:Mean")
@dataclass(frozen=True, slots=True)
class Mean(Component):
    """Mean over all positions, or over all of a list of tokens; unlike `avgpool` it costs nothing by fvcore's rules."""

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        if not x.tokens:
            site.require_map(x)
        return x.with_size(None).with_tokens()

    def cost(self, x: FeatureMap) -> Cost:
        # one token is its own mean
        return Cost(unseen={"mean": x.elements}) if len(x.shape) > 1 else Cost()
