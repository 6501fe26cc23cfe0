"""The fields, shapes and cost of `conv_glu`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.keeping import require_kept
from archdsl.components.odd import require_odd
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import Part, field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass

_ROUNDING = 1e-6


@component("conv_glu", slot="channel", module="archdsl.components.channel.conv_glu.module:ConvGlu")
@dataclass(frozen=True, slots=True)
class ConvGlu(Component):
    """Convolutional gated linear unit: half of the hidden channels, convolved, times the other half."""

    ratio: float = field(
        default=4.0, gt=0, doc="as that of an `mlp` of about as many weights: a half has 2/3 of it times the channels"
    )
    kernel: Size = field(default=Size(3, 3), ge=1, doc="kernel of the depthwise convolution, odd")
    act: Component = field(default=Part("gelu"), doc="what follows the convolution; it keeps the shape")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        inner = self.hidden(x)
        site.require(
            inner.channels >= 1,
            "`ratio` must leave a channel in each half",
            field="ratio",
            label=f"2/3 of {self.ratio:g} * {x.channels} is less than 1",
            help=f"use a `ratio` of at least {2 / x.channels:g}",
        )
        require_odd(site, "kernel", self.kernel, "the kernel must be odd, so that the map keeps its size")
        require_kept(site, "act", self.act, inner)
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, hidden = x.channels, self.hidden(x)
        h = hidden.channels
        return {
            "fc1.weight": (2 * h, c),
            "fc1.bias": (2 * h,),
            "dwconv.weight": (h, 1, *self.kernel),
            "dwconv.bias": (h,),
            **{f"act.{name}": shape for name, shape in self.act.weights(hidden).items()},
            "fc2.weight": (c, h),
            "fc2.bias": (c,),
        }

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {f"act.{name}": shape for name, shape in self.act.buffers(self.hidden(x)).items()}

    def cost(self, x: FeatureMap) -> Cost:
        hidden = self.hidden(x)
        ops = {"linear": 3 * x.elements * hidden.channels, "conv": hidden.elements * self.kernel.area}
        return Cost(ops, {"mul": hidden.elements}) + self.act.cost(hidden)

    def hidden(self, x: FeatureMap) -> FeatureMap:
        """The map of each half."""
        return x.with_channels(2 * int(self.ratio * x.channels + _ROUNDING) // 3)
