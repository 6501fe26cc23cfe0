"""The fields, shapes and cost of `class_token`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.units import FeatureMap, Tokens
from archdsl.source.record import dataclass


@component("class_token", slot="map", module="archdsl.components.map.class_token.module:ClassToken")
@dataclass(frozen=True, slots=True)
class ClassToken(Component):
    """A learned token beside the grid, from which the classes are read."""

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require(
            x.size is not None or bool(x.tokens),
            "`class_token` adds a token to a map",
            label="after pooling only channels are left",
            help="move it before the pooling",
        )
        site.require(
            all(token.name != "class" for token in x.tokens),
            "a map has one class token",
            label=f"the map is {x} here",
            help="leave the second `class_token` out",
        )
        return x.with_tokens(*x.tokens, Tokens("class", 1))

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels,)}
