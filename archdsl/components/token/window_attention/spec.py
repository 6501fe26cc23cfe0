"""The fields, shapes and cost of `window_attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("window_attention", slot="token", module="archdsl.components.token.window_attention.module:WindowAttention")
@dataclass(frozen=True, slots=True)
class WindowAttention(Component):
    """Attention inside windows: each position attends to the positions of its own window."""

    window: Size = field(ge=1, doc="height and width of a window; the map is padded right and bottom to whole windows")
    head_dim: int = field(default=32, ge=1, divides="channels", doc="channels of a head")
    qkv_bias: bool = field(default=True, doc="whether queries, keys and values have a bias")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        shapes: dict[str, tuple[int, ...]] = {"qkv.weight": (3 * c, c)}
        if self.qkv_bias:
            shapes["qkv.bias"] = (3 * c,)
        return {**shapes, "proj.weight": (c, c), "proj.bias": (c,)}

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        # padded positions are projected and attended to like others
        c, tokens = x.channels, x.size.padded_to(self.window).area
        ops = {"linear": 4 * tokens * c * c, "matmul": 2 * tokens * self.window.area * c}
        return Cost(ops, {"mul": tokens * c})
