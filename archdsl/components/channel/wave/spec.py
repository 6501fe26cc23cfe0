"""The fields, shapes and cost of `wave`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.inside import (
    Inside,
    buffers_inside,
    cost_inside,
    gate_cost,
    gate_inside,
    same_convolution,
    weights_inside,
)
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.defaults import with_defaults
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass

# channels that come in over those inside the gate
_SQUEEZE = 4


@component("wave", slot="channel", module="archdsl.components.channel.wave.module:Wave")
@dataclass(frozen=True, slots=True)
class Wave(Component):
    """Wave-based aggregation: amplitudes times phases, that of the strongest channel added, turned in pairs."""

    ratio: int = field(ge=1, doc="hidden channels over channels")
    groups: int = field(ge=1, doc="groups of the convolution on the hidden channels; ratio * dim: depthwise")
    eps: float = field(default=1e-6, gt=0, doc="added to the variance in the batch norm")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        site.require(
            x.channels % _SQUEEZE == 0,
            f"the channels must be divisible by {_SQUEEZE}",
            label=f"{x.channels} channels here",
            help=f"use {-(-x.channels // _SQUEEZE) * _SQUEEZE} channels, the next multiple of {_SQUEEZE}",
        )
        hidden = self.hidden(x).channels
        site.require(
            hidden % self.groups == 0,
            "`groups` must divide the hidden channels",
            field="groups",
            label=f"{self.ratio} * {x.channels} is {hidden}",
            help=f"write `groups = dim`, or `groups = dim * {self.ratio}` for a depthwise convolution",
        )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"complex": (1, 1, 1, self.hidden(x).channels // 2, 2), **weights_inside(self._inside(x))}

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return buffers_inside(self._inside(x))

    def cost(self, x: FeatureMap) -> Cost:
        hidden = self.hidden(x)
        # two products and a sum for the wave; for a pair of channels four products, a difference and a sum
        n, pairs, one = hidden.elements, hidden.elements // 2, x.positions
        own = Cost(unseen={"mul": n + one + 4 * pairs, "add": n + pairs, "sub": pairs})
        return Cost.total([cost_inside(self._inside(x)), own, gate_cost(hidden)])

    def hidden(self, x: FeatureMap) -> FeatureMap:
        """The map between the projections."""
        return x.with_channels(self.ratio * x.channels)

    def squeezed(self, x: FeatureMap) -> int:
        """The channels inside the gate."""
        return x.channels // _SQUEEZE

    def _inside(self, x: FeatureMap) -> Inside:
        hidden = self.hidden(x)
        return {
            "theta": (same_convolution(1, hidden.channels), x),
            "proj": (same_convolution(1, hidden.channels), x),
            "conv.conv": (same_convolution(3, hidden.channels, groups=self.groups, bias=False), hidden),
            "conv.norm": (with_defaults("batchnorm", {"eps": self.eps}), hidden),
            **gate_inside("attn", hidden, self.squeezed(x)),
            "proj_out": (same_convolution(1, x.channels), hidden),
        }
