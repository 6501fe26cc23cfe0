"""The fields, shapes and cost of `multi_order`."""

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

_HALVES = 2
# channels of a half over those inside its gate
_SQUEEZE = 4


@component("multi_order", slot="token", module="archdsl.components.token.multi_order.module:MultiOrder")
@dataclass(frozen=True, slots=True)
class MultiOrder(Component):
    """Multi-order mixing: half of the channels through a near and a far path of convolutions, each gated."""

    groups: int = field(default=1, ge=1, doc="groups of the convolutions on half of the channels; dim / 2: depthwise")
    eps: float = field(default=1e-6, gt=0, doc="added to the variance in the batch norms")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        step = _HALVES * _SQUEEZE
        site.require(
            x.channels % step == 0,
            f"the channels must be divisible by {step}",
            label=f"{x.channels} channels here",
            help=f"use {-(-x.channels // step) * step} channels, the next multiple of {step}",
        )
        half = x.channels // _HALVES
        site.require(
            half % self.groups == 0,
            "`groups` must divide half of the channels",
            field="groups",
            label=f"half of {x.channels} is {half}",
            help="write `groups = 1` for dense convolutions, `groups = dim / 2` for depthwise ones",
        )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"gamma": (1, self.half(x), 1, 1), **weights_inside(self._inside(x))}

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return buffers_inside(self._inside(x))

    def undecayed(self) -> tuple[str, ...]:
        return ("gamma",)

    def cost(self, x: FeatureMap) -> Cost:
        half = x.with_channels(self.half(x))
        n = half.elements
        contrast = Cost({"adaptive_avg_pool2d": n}, {"sub": n, "mul": n, "add": n})
        return Cost.total([cost_inside(self._inside(x)), contrast, gate_cost(half), gate_cost(half)])

    def half(self, x: FeatureMap) -> int:
        """The channels of each of the two paths."""
        return x.channels // _HALVES

    def squeezed(self, x: FeatureMap) -> int:
        """The channels inside each of the two gates."""
        return self.half(x) // _SQUEEZE

    def _inside(self, x: FeatureMap) -> Inside:
        half = x.with_channels(self.half(x))
        conv = same_convolution(3, half.channels, groups=self.groups, bias=False)
        norm = with_defaults("batchnorm", {"eps": self.eps})
        return {
            "proj_in": (same_convolution(1, half.channels), x),
            "h_conv.conv": (conv, half),
            "h_conv.norm": (norm, half),
            "l_conv.0.conv": (conv, half),
            "l_conv.1.conv": (conv, half),
            "l_conv.1.norm": (norm, half),
            **gate_inside("h_attn", half, self.squeezed(x)),
            **gate_inside("l_attn", half, self.squeezed(x)),
            "proj_out": (same_convolution(1, x.channels), x),
        }
