"""The fields, shapes and cost of `mlp`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.keeping import require_kept
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import Part, field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass

_ROUNDING = 1e-6


@component("mlp", slot="channel", module="archdsl.components.channel.mlp.module:Mlp")
@dataclass(frozen=True, slots=True)
class Mlp(Component):
    """Two linear maps of the channels with an activation between them."""

    ratio: float = field(default=4.0, gt=0, doc="hidden channels over channels")
    act: Component = field(default=Part("gelu"), doc="what stands between the two maps; it keeps the shape")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        hidden = self.ratio * x.channels
        site.require(
            round(hidden) >= 1 and abs(hidden - round(hidden)) < _ROUNDING,
            "`ratio` times the channels must be a whole number",
            field="ratio",
            label=f"{self.ratio:g} * {x.channels} is {hidden:g}",
            help=f"use a multiple of 1 / {x.channels}, such as `ratio = {max(1, round(hidden))} / {x.channels}`",
        )
        require_kept(site, "act", self.act, self.hidden(x))
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, hidden = x.channels, self.hidden(x)
        inner = {f"act.{name}": shape for name, shape in self.act.weights(hidden).items()}
        first: dict[str, tuple[int, ...]] = {"fc1.weight": (hidden.channels, c), "fc1.bias": (hidden.channels,)}
        return {**first, **inner, "fc2.weight": (c, hidden.channels), "fc2.bias": (c,)}

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {f"act.{name}": shape for name, shape in self.act.buffers(self.hidden(x)).items()}

    def cost(self, x: FeatureMap) -> Cost:
        hidden = self.hidden(x)
        return Cost({"linear": 2 * x.elements * hidden.channels}) + self.act.cost(hidden)

    def hidden(self, x: FeatureMap) -> FeatureMap:
        """The map between the two linear maps."""
        return x.with_channels(round(self.ratio * x.channels))
