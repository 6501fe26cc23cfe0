"""The fields, weights and cost of `groupnorm`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("groupnorm", slot="map", module="archdsl.components.map.groupnorm.module:GroupNorm")
@dataclass(frozen=True, slots=True)
class GroupNorm(Component):
    """Group norm: each group of channels over all positions of an image."""

    groups: int = field(ge=1, divides="channels", doc="groups of channels; 1: all channels together")
    eps: float = field(default=1e-5, gt=0, doc="added to the variance")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require(
            x.elements > self.groups,
            "a group of one number has no variance",
            field="groups",
            label=f"{x} comes in",
            help="use fewer groups",
        )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels,), "bias": (x.channels,)}

    def cost(self, x: FeatureMap) -> Cost:
        return Cost({"group_norm": 5 * x.elements})
