"""The fields, shapes and cost of `strip`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("strip", slot="token", module="archdsl.components.token.strip.module:StripAttention")
@dataclass(frozen=True, slots=True)
class Strip(Component):
    """Strip self-attention: queries and keys have few channels, keys and values few positions."""

    reduction: int = field(
        default=1, ge=1, doc="positions along each axis that make one key; kernel and stride of the reduction"
    )
    strip_dim: int = field(default=1, ge=1, doc="channels of the queries and keys of a head")
    head_dim: int = field(default=32, ge=1, divides="channels", doc="channels of the values of a head")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        site.require_divisible(
            size,
            Size(self.reduction, self.reduction),
            field="reduction",
            help="choose another `reduction`",
        )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, narrow = x.channels, self.narrow(x)
        reduce = {"reduce.weight": (c, 1, self.reduction, self.reduction)} if self.reduction > 1 else {}
        return {
            **reduce,
            "q.weight": (narrow, c),
            "k.weight": (narrow, c),
            "v.weight": (c, c),
            "proj.weight": (c, c),
            "proj.bias": (c,),
        }

    def cost(self, x: FeatureMap) -> Cost:
        c, narrow, queries = x.channels, self.narrow(x), x.positions
        keys = queries // self.reduction**2
        ops = {
            "linear": (queries + keys) * c * (narrow + c),
            "matmul": queries * keys * (narrow + c),
        }
        if self.reduction > 1:
            # kernel and stride are the same: each position is read once
            ops["conv"] = queries * c
        return Cost(ops, {"mul": queries * narrow})

    def narrow(self, x: FeatureMap) -> int:
        """The channels of the queries and keys of all heads."""
        return self.strip_dim * (x.channels // self.head_dim)
