"""The fields, shapes and cost of `gpsa`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.heads import heads_for, require_heads
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("gpsa", slot="token", module="archdsl.components.token.gpsa.module:GatedPositionalAttention")
@dataclass(frozen=True, slots=True)
class Gpsa(Component):
    """Gated positional self-attention: each head blends attention by content and by relative position."""

    heads: int | None = field(default=None, ge=1, divides="channels", doc="number of heads; either this or `head_dim`")
    head_dim: int | None = field(default=None, ge=1, divides="channels", doc="channels of a head; either this or `heads`")
    locality: float = field(
        default=1.0, ge=0, doc="how sharply each head looks at a place of its own at the start; has no part in the arithmetic"
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        require_heads(site, "gpsa", self.heads, self.head_dim)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, heads = x.channels, self.heads_for(x.channels)
        return {
            "gating_param": (heads,),
            "qk.weight": (2 * c, c),
            "v.weight": (c, c),
            "proj.weight": (c, c),
            "proj.bias": (c,),
            "pos_proj.weight": (heads, 3),
            "pos_proj.bias": (heads,),
        }

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, tokens, heads = x.channels, x.positions, self.heads_for(x.channels)
        pairs = tokens * tokens
        ops = {"linear": 4 * tokens * c * c + 3 * heads * pairs, "matmul": 2 * pairs * c}
        unseen = {
            # the steps along either axis; one minus each gate
            "sub": x.size.height**2 + x.size.width**2 + heads,
            # squared distances; the sum of both attentions
            "add": pairs + heads * pairs,
            # the scale, and a gate for each attention
            "mul": 3 * heads * pairs,
            "sum": heads * pairs,
            "div": heads * pairs,
        }
        return Cost(ops, unseen)

    def heads_for(self, channels: int) -> int:
        """The number of heads on a map of `channels`."""
        return heads_for(channels, self.heads, self.head_dim)
