"""The fields and shapes of `select`."""

from __future__ import annotations

from archdsl.schema.component import Component, Site, component
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("select", slot="map", module="archdsl.components.map.select.module:Select")
@dataclass(frozen=True, slots=True)
class Select(Component):
    """Some of the tokens: the class token, the registers, or the grid of patches."""

    tokens: str = field(choices=("class", "registers", "patches"), doc="which of them go on")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        if self.tokens == "patches":
            site.require(
                x.size is not None,
                "`select` takes tokens that the map has",
                field="tokens",
                label=f"the map is {x} here, without a grid",
                help="select the patches before the pooling",
            )
            return x.with_tokens()
        found = [token for token in x.tokens if token.name == self.tokens]
        name = "class_token" if self.tokens == "class" else "registers(4)"
        site.require(
            bool(found),
            "`select` takes tokens that the map has",
            field="tokens",
            label=f"the map is {x} here",
            help=f"add them before: `{name}`",
        )
        return x.with_size(None).with_tokens(*found)

    def fixed(self, x: FeatureMap) -> bool:
        # a list of tokens does not say the shape of its grid; a map does
        return self.tokens == "patches" and bool(x.tokens)
