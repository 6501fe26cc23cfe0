"""The fields, shapes and cost of `linear_attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("linear_attention", slot="token", module="archdsl.components.token.linear_attention.module:LinearAttention")
@dataclass(frozen=True, slots=True)
class LinearAttention(Component):
    """Linear attention: queries and keys are projected and made positive, the values are the map itself."""

    head_dim: int = field(ge=1, divides="channels", doc="channels of a head")
    eps: float = field(default=1e-6, gt=0, doc="added to the sum of the weights, which is a mean over the positions")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        return {"qk.weight": (2 * c, c, 1, 1), "qk.bias": (2 * c,)}

    def cost(self, x: FeatureMap) -> Cost:
        c, n = x.channels, x.elements
        per_head = x.positions * (c // self.head_dim)
        ops = {"conv": 2 * n * c, "matmul": 2 * n * self.head_dim + n}
        # one added to queries and keys, `eps` to the sums; keys and values over the positions; all over the sums
        return Cost(ops, {"add": 2 * n + per_head, "mean": n, "div": c * self.head_dim + n})
