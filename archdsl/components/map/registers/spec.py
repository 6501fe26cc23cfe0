"""The fields, shapes and cost of `registers`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.positions import require_no, require_positions
from archdsl.schema.component import Component, Site, component
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Tokens
from archdsl.source.record import dataclass


@component("registers", slot="map", module="archdsl.components.map.registers.module:Registers")
@dataclass(frozen=True, slots=True)
class Registers(Component):
    """Learned tokens beside the grid, room for what concerns the image as a whole."""

    count: int = field(ge=1, doc="how many tokens")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        require_positions(site, "registers", x)
        require_no(site, "registers", "registers", x, "leave the second out, and raise the `count` of the first")
        return x.with_tokens(*x.tokens, Tokens("registers", self.count))

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (self.count, x.channels)}

    def undecayed(self) -> tuple[str, ...]:
        return ("weight",)
