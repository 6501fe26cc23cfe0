"""The fields, shapes and cost of `channel_attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("channel_attention", slot="token", module="archdsl.components.token.channel_attention.module:ChannelAttention")
@dataclass(frozen=True, slots=True)
class ChannelAttention(Component):
    """Attention among the channels of a group, over all positions: linear in their number."""

    head_dim: int = field(default=32, ge=1, divides="channels", doc="channels of a group")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        return {"qkv.weight": (3 * c, c), "qkv.bias": (3 * c,), "proj.weight": (c, c), "proj.bias": (c,)}

    def cost(self, x: FeatureMap) -> Cost:
        c, tokens = x.channels, x.positions
        ops = {"linear": 4 * tokens * c * c, "matmul": 2 * tokens * c * self.head_dim}
        return Cost(ops, {"mul": tokens * c})
