"""The fields, shapes and cost of `registers`."""

from __future__ import annotations

from collections.abc import Mapping

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
        site.require(
            x.size is not None or bool(x.tokens),
            "`registers` adds tokens to a map",
            label="after pooling only channels are left",
            help="move it before the pooling",
        )
        site.require(
            all(token.name != "registers" for token in x.tokens),
            "a map has registers once",
            label=f"the map is {x} here",
            help="leave the second `registers` out, and raise the `count` of the first",
        )
        return x.with_tokens(*x.tokens, Tokens("registers", self.count))

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (self.count, x.channels)}

    def undecayed(self) -> tuple[str, ...]:
        return ("weight",)
