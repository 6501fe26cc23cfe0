"""The fields, shapes and cost of `routing`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.odd import require_odd
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("routing", slot="token", module="archdsl.components.token.routing.module:BiLevelRoutingAttention")
@dataclass(frozen=True, slots=True)
class Routing(Component):
    """Bi-level routing attention: each region attends to its `topk` most similar regions."""

    topk: int = field(ge=1, doc="regions that each region attends to")
    regions: Size = field(default=Size(7, 7), ge=1, doc="regions along height and width")
    head_dim: int = field(default=32, ge=1, divides="channels", doc="channels of a head")
    lepe: Size | None = field(default=None, ge=1, doc="kernel of a depthwise convolution of the values, added to the output")
    pad: bool = field(default=False, doc="pad right and bottom to whole regions; padded positions are attended to like others")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        site.require(
            self.topk <= self.regions.area,
            "`topk` must not exceed the number of regions",
            field="topk",
            label=f"there are {self.regions.area} regions",
            help=f"use at most {self.regions.area}, or more `regions`",
        )
        if self.lepe:
            require_odd(site, "lepe", self.lepe, "the kernel of `lepe` must be odd, so that the map keeps its size")
        if not self.pad:
            site.require_divisible(
                size,
                self.regions,
                field="regions",
                help="set `pad = true`",
            )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        shapes: dict[str, tuple[int, ...]] = {"qkv.weight": (3 * c, c), "qkv.bias": (3 * c,)}
        shapes |= {"proj.weight": (c, c), "proj.bias": (c,)}
        if self.lepe:
            shapes |= {"lepe.weight": (c, 1, *self.lepe), "lepe.bias": (c,)}
        return shapes

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, regions = x.channels, self.regions.area
        # the projections, too, are made on the padded map
        tokens = x.size.padded_to(self.regions).area
        keys = self.topk * (tokens // regions)
        ops = {"linear": 4 * tokens * c * c, "matmul": regions * regions * c + 2 * tokens * keys * c}
        unseen = {"mul": tokens * c + regions * c, "mean": 2 * tokens * c}
        if self.lepe:
            ops["conv"] = tokens * c * self.lepe.area
            unseen["add"] = tokens * c
        return Cost(ops, unseen)
