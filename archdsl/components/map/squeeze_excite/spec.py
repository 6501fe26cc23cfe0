"""The fields, shapes and cost of `squeeze_excite`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.keeping import require_kept
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import Part, field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("squeeze_excite", slot="map", module="archdsl.components.map.squeeze_excite.module:SqueezeExcite")
@dataclass(frozen=True, slots=True)
class SqueezeExcite(Component):
    """Squeeze and excitation: each channel times a gate that two linear maps make of the pooled map."""

    ratio: int = field(ge=1, doc="channels over those between the two linear maps, rounded down")
    minimum: int = field(default=1, ge=1, doc="the fewest channels between the two linear maps")
    act: Component = field(default=Part("relu"), doc="what stands between the two maps; it keeps the shape")
    pool: Component = field(default=Part("avgpool"), doc="what makes a vector of the map: `avgpool`, or `mean`, not counted")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        pooled, reduced = x.with_size(None), self.reduced(x)
        made = self.pool.shape(x, site)
        site.require(
            made == pooled,
            "`pool` must leave the channels and no positions",
            field="pool",
            label=f"makes {made} of {x}",
            help="write `avgpool` without a kernel, or `mean`",
        )
        require_kept(site, "act", self.act, reduced)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, reduced = x.channels, self.reduced(x)
        return {
            **{f"pool.{name}": shape for name, shape in self.pool.weights(x).items()},
            "reduce.weight": (reduced.channels, c),
            "reduce.bias": (reduced.channels,),
            **{f"act.{name}": shape for name, shape in self.act.weights(reduced).items()},
            "expand.weight": (c, reduced.channels),
            "expand.bias": (c,),
        }

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        pool = {f"pool.{name}": shape for name, shape in self.pool.buffers(x).items()}
        return {**pool, **{f"act.{name}": shape for name, shape in self.act.buffers(self.reduced(x)).items()}}

    def cost(self, x: FeatureMap) -> Cost:
        reduced = self.reduced(x)
        own = Cost({"linear": 2 * x.channels * reduced.channels}, {"mul": x.elements})
        return self.pool.cost(x) + own + self.act.cost(reduced)

    def reduced(self, x: FeatureMap) -> FeatureMap:
        """The vector between the two linear maps."""
        return FeatureMap(max(self.minimum, x.channels // self.ratio), None)
