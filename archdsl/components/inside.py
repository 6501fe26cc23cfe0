"""What a component has of the components it is made of. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from archdsl.schema.component import Component
from archdsl.schema.cost import Cost
from archdsl.schema.defaults import with_defaults
from archdsl.schema.units import FeatureMap, Size

# by the names below the component, in the module's own order; each with the map that it reads
Inside: TypeAlias = Mapping[str, tuple[Component, FeatureMap]]


def weights_inside(inside: Inside) -> dict[str, tuple[int, ...]]:
    """The parameters of all parts."""
    return {f"{level}.{name}": shape for level, (spec, x) in inside.items() for name, shape in spec.weights(x).items()}


def buffers_inside(inside: Inside) -> dict[str, tuple[int, ...]]:
    """The persistent buffers of all parts."""
    return {f"{level}.{name}": shape for level, (spec, x) in inside.items() for name, shape in spec.buffers(x).items()}


def cost_inside(inside: Inside) -> Cost:
    """What all parts cost together."""
    return Cost.total(spec.cost(x) for spec, x in inside.values())


def same_convolution(kernel: int, out: int, *, groups: int = 1, bias: bool = True) -> Component:
    """A square convolution that keeps the size of the map; a dilated one has the same weights and cost."""
    return with_defaults("conv", {"kernel": Size(kernel, kernel), "out": out, "groups": groups, "bias": bias})


def gate_inside(name: str, x: FeatureMap, squeezed: int) -> dict[str, tuple[Component, FeatureMap]]:
    """The two convolutions of the gate `name` for maps `x`. The rest of its cost is `gate_cost`."""
    pooled = x.with_size(Size(1, 1))
    return {
        f"{name}.squeeze": (same_convolution(1, squeezed), pooled),
        f"{name}.expand": (same_convolution(1, x.channels), pooled.with_channels(squeezed)),
    }


def gate_cost(x: FeatureMap) -> Cost:
    """What a gate costs beside its convolutions: the mean of a map `x`, and the product with it."""
    return Cost({"adaptive_avg_pool2d": x.elements}, {"mul": x.elements})
