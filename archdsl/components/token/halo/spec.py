"""The fields, shapes and cost of `halo`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.fitting import require_fit
from archdsl.components.heads import heads_for, require_heads
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass

_ROUNDING = 1e-6


@component("halo", slot="token", module="archdsl.components.token.halo.module:HaloAttention")
@dataclass(frozen=True, slots=True)
class Halo(Component):
    """Blocked local attention: the positions of a block attend to the block and a halo around it."""

    block: Size = field(ge=1, doc="height and width of a block; it must divide the map")
    halo: int = field(ge=0, doc="positions around a block that it sees, on each side")
    heads: int | None = field(default=None, ge=1, divides="channels", doc="number of heads; either this or `head_dim`")
    head_dim: int | None = field(
        default=None, ge=1, divides="channels", doc="channels of a head's queries; either this or `heads`"
    )
    value_ratio: float = field(default=1.0, gt=0, doc="channels that come out, over those that come in")
    stride: int = field(
        default=1, ge=1, doc="positions from one query to the next; it averages where it does not divide blocks"
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        require_heads(site, "halo", self.heads, self.head_dim)
        site.require_divisible(
            size,
            self.block,
            field="block",
            help=f"choose a `block` that divides {size}",
        )
        values, heads = self.value_ratio * x.channels, self.heads_for(x.channels)
        site.require(
            abs(values - round(values)) < _ROUNDING and round(values) >= heads and round(values) % heads == 0,
            "`value_ratio` times the channels must be a multiple of the heads",
            field="value_ratio",
            label=f"{self.value_ratio:g} * {x.channels} is {values:g}, and there are {heads} heads",
            help=f"use a multiple of {heads / x.channels:g}",
        )
        out = self.pooled(self.queries(size))
        require_fit(site, size, out, what="`stride`", field="stride", room="the map")
        return FeatureMap(self.values(x), out)

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, window = x.channels, self.window
        d = c // self.heads_for(c)
        return {
            "q.weight": (c, c, 1, 1),
            "kv.weight": (c + self.values(x), c, 1, 1),
            "pos_embed.height_rel": (2 * window.height - 1, d),
            "pos_embed.width_rel": (2 * window.width - 1, d),
        }

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, values, window = x.channels, self.values(x), self.window
        queries = self.queries(x.size).area
        heads = self.heads_for(c)
        relative = 2 * window.height - 1 + 2 * window.width - 1
        return Cost(
            {
                "conv": queries * c * c + x.elements * (c + values),
                "matmul": queries * window.area * (c + values) + queries * c * relative,
            },
            {"mul": queries * c, "add": 2 * queries * window.area * heads},
        )

    @property
    def window(self) -> Size:
        """The positions that a block sees: itself and its halo."""
        return Size(self.block.height + 2 * self.halo, self.block.width + 2 * self.halo)

    @property
    def query_stride(self) -> int:
        """Positions from one query to the next: `stride`, or 1 where blocks cannot be divided by it."""
        return self.stride if self.block.height % self.stride == 0 and self.block.width % self.stride == 0 else 1

    def queries(self, size: Size) -> Size:
        """The queries of a map of `size`."""
        return Size(size.height // self.query_stride, size.width // self.query_stride)

    def pooled(self, size: Size) -> Size:
        """What is left of the queries by averaging."""
        rest = self.stride // self.query_stride
        return Size(size.height // rest, size.width // rest)

    def values(self, x: FeatureMap) -> int:
        """The channels of all values together."""
        return round(self.value_ratio * x.channels)

    def heads_for(self, channels: int) -> int:
        """The number of heads on a map of `channels`."""
        return heads_for(channels, self.heads, self.head_dim)
