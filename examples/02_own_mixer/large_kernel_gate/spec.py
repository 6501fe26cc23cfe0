"""What archdsl knows of the mixer before torch: fields, shape rule, weights, cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size


@component("large_kernel_gate", slot="token", module="large_kernel_gate.module:LargeKernelGate")
@dataclass(frozen=True, slots=True)
class LargeKernelGate(Component):
    """A gate with a large depthwise kernel: each position is weighed by what stands around it."""

    kernel: Size = field(default=Size(7, 7), ge=1, doc="depthwise kernel of the gate; odd numbers")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        odd = self.kernel.height % 2 == 1 and self.kernel.width % 2 == 1
        site.require(
            odd,
            "`large_kernel_gate` needs a kernel of odd numbers, so that it has a centre",
            field="kernel",
            label=f"{self.kernel} has none",
            help="7x7, for example",
        )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        dim = x.channels
        return {
            "value.weight": (dim, dim, 1, 1),
            "value.bias": (dim,),
            "gate.weight": (dim, dim, 1, 1),
            "gate.bias": (dim,),
            "around.weight": (dim, 1, *self.kernel),
            "around.bias": (dim,),
            "project.weight": (dim, dim, 1, 1),
            "project.bias": (dim,),
        }

    def cost(self, x: FeatureMap) -> Cost:
        # three projections of every position, and one kernel for each channel; then the product of value and gate
        return Cost(
            ops={"conv": x.elements * (3 * x.channels + self.kernel.area)},
            unseen={"mul": x.elements},
        )
