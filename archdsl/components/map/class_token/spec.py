"""The fields, shapes and cost of `class_token`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.positions import require_no, require_positions
from archdsl.schema.component import Component, Site, component
from archdsl.schema.units import FeatureMap, Tokens
from archdsl.source.record import dataclass


@component("class_token", slot="map", module="archdsl.components.map.class_token.module:ClassToken")
@dataclass(frozen=True, slots=True)
class ClassToken(Component):
    """A learned token beside the grid, from which the classes are read."""

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        require_positions(site, "class_token", x)
        require_no(site, "class_token", "class", x, "a map has one class token: leave the second out")
        return x.with_tokens(*x.tokens, Tokens("class", 1))

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels,)}
