"""The fields, shapes and cost of `bottleneck_attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.fitting import require_fit
from archdsl.components.heads import heads_for, require_heads
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component(
    "bottleneck_attention",
    slot="token",
    module="archdsl.components.token.bottleneck_attention.module:BottleneckAttention",
)
@dataclass(frozen=True, slots=True)
class BottleneckAttention(Component):
    """Attention of each position to all, by content and relative position, with no map of its own after it."""

    heads: int | None = field(default=None, ge=1, divides="channels", doc="number of heads; either this or `head_dim`")
    head_dim: int | None = field(default=None, ge=1, divides="channels", doc="channels of a head; either this or `heads`")
    stride: int = field(default=1, ge=1, doc="height and width of the squares that are averaged at the end")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        require_heads(site, "bottleneck_attention", self.heads, self.head_dim)
        out = Size(size.height // self.stride, size.width // self.stride)
        require_fit(site, size, out, what="`stride`", field="stride", room="the map")
        return x.with_size(out)

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        assert x.size is not None
        c = x.channels
        d = c // self.heads_for(c)
        return {
            "qkv.weight": (3 * c, c, 1, 1),
            "pos_embed.height_rel": (2 * x.size.height - 1, d),
            "pos_embed.width_rel": (2 * x.size.width - 1, d),
        }

    def fixed(self, x: FeatureMap) -> bool:
        return True

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, positions = x.channels, x.positions
        relative = 2 * x.size.height - 1 + 2 * x.size.width - 1
        heads = self.heads_for(c)
        return Cost(
            {"conv": 3 * x.elements * c, "matmul": 2 * positions * positions * c + x.elements * relative},
            {"mul": x.elements, "add": 2 * positions * positions * heads},
        )

    def heads_for(self, channels: int) -> int:
        """The number of heads on a map of `channels`."""
        return heads_for(channels, self.heads, self.head_dim)
