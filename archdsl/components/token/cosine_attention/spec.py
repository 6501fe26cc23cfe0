"""The fields, shapes and cost of `cosine_attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.position.offsets import bias_linear, bias_undecayed, bias_weights
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component(
    "cosine_attention", slot="token", module="archdsl.components.token.cosine_attention.module:LengthScaledCosineAttention"
)
@dataclass(frozen=True, slots=True)
class CosineAttention(Component):
    """Length-scaled cosine attention of each position to all positions, with a bias by their distance."""

    head_dim: int = field(default=24, ge=1, divides="channels", doc="channels of a head")
    pretrain: Size | None = field(
        default=None, ge=2, doc="the map that distances are measured on, where it is not this one: that of the pretraining"
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, d, heads = x.channels, self.head_dim, x.channels // self.head_dim
        return {
            "temperature": (heads, 1, 1),
            "query_embedding": (heads, 1, d),
            "qkv.weight": (3 * c, c),
            "qkv.bias": (3 * c,),
            "proj.weight": (c, c),
            "proj.bias": (c,),
            **{f"position.{name}": shape for name, shape in bias_weights(heads).items()},
        }

    def undecayed(self) -> tuple[str, ...]:
        return ("temperature", "query_embedding", *(f"position.{name}" for name in bias_undecayed()))

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, n, heads = x.channels, x.size.area, x.channels // self.head_dim
        # the biases do not depend on the number of images
        ops = {"linear": 4 * n * c * c + bias_linear(x.size, x.size, heads), "matmul": 2 * n * n * c}
        return Cost(ops, {"div": 2 * n * c, "mul": n * c + heads, "add": n * c + n * n * heads})
