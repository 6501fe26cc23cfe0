"""The fields, shapes and cost of `class_attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.heads import heads_for, require_heads
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass

_NAME = "class"


@component("class_attention", slot="token", module="archdsl.components.token.class_attention.module:ClassAttention")
@dataclass(frozen=True, slots=True)
class ClassAttention(Component):
    """Class attention: the class token attends to all tokens, itself among them, and alone comes out."""

    heads: int | None = field(default=None, ge=1, divides="channels", doc="number of heads; either this or `head_dim`")
    head_dim: int | None = field(default=None, ge=1, divides="channels", doc="channels of a head; either this or `heads`")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        require_heads(site, "class_attention", self.heads, self.head_dim)
        site.require(
            any(token.name == _NAME for token in x.tokens),
            "`class_attention` needs a class token",
            label=f"the map is {x} here",
            help="add one before: `class_token`",
        )
        site.require(
            x.positions > 1,
            "`class_attention` needs more than one token",
            label="only the class token is here",
            help='remove `select("class")` before it',
        )
        return x.with_size(None).with_tokens(*(token for token in x.tokens if token.name == _NAME))

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        return {"q.weight": (c, c), "kv.weight": (2 * c, c), "proj.weight": (c, c), "proj.bias": (c,)}

    def cost(self, x: FeatureMap) -> Cost:
        c, tokens = x.channels, x.positions
        return Cost({"linear": 2 * c * c * (1 + tokens), "matmul": 2 * tokens * c}, {"mul": c})

    def heads_for(self, channels: int) -> int:
        """The number of heads on a map of `channels`."""
        return heads_for(channels, self.heads, self.head_dim)

    def place(self, x: FeatureMap) -> int:
        """Where the class token stands among the tokens."""
        before = [token.name for token in x.tokens].index(_NAME)
        return sum(token.count for token in x.tokens[:before])
