"""The fields, shapes and cost of `linear`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("linear", slot="map", module="archdsl.components.map.linear.module:LinearMap")
@dataclass(frozen=True, slots=True)
class Linear(Component):
    """Linear map of the channels, at each position of a map."""

    out: int = field(ge=1, doc="channels that come out")
    bias: bool = field(default=True, doc="whether a bias is added to each channel")
    std: float = field(default=0.02, gt=0, doc="deviation of the weights at the start")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        return x.with_channels(self.out)

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        weight = {"weight": (self.out, x.channels)}
        return {**weight, "bias": (self.out,)} if self.bias else weight

    def cost(self, x: FeatureMap) -> Cost:
        return Cost({"linear": x.elements * self.out})
