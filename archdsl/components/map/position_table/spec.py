"""The fields, shapes and cost of `position_table`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.positions import require_positions
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.grid import Grid
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("position_table", slot="map", module="archdsl.components.map.position_table.module:PositionTable")
@dataclass(frozen=True, slots=True)
class PositionTable(Component):
    """A learned vector added to each position, and to each token that is there already."""

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        require_positions(site, "position_table", x)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        if x.size is not None and not x.tokens:
            return {"weight": (*x.size, x.channels)}
        return {"weight": (x.positions, x.channels)}

    def undecayed(self) -> tuple[str, ...]:
        return ("weight",)

    def grids(self, x: FeatureMap) -> Mapping[str, Grid]:
        return {"weight": Grid(x.size, extra=x.extra)} if x.size is not None else {}

    def fixed(self, x: FeatureMap) -> bool:
        return True

    def cost(self, x: FeatureMap) -> Cost:
        return Cost(unseen={"add": x.elements})
