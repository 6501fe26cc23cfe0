"""The fields, shapes and cost of `batchnorm`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.schema.component import Component, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@component("batchnorm", slot="map", module="archdsl.components.map.batchnorm.module:BatchNorm")
@dataclass(frozen=True, slots=True)
class BatchNorm(Component):
    """Batch norm of each channel."""

    eps: float = field(default=1e-5, gt=0, doc="added to the variance")
    momentum: float = field(default=0.1, ge=0, le=1, doc="weight of the present batch in the running statistics")
    init: float = field(default=1.0, doc="value of every scale at the start; 0 lets a residual branch start as nothing")

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (x.channels,), "bias": (x.channels,)}

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"running_mean": (x.channels,), "running_var": (x.channels,), "num_batches_tracked": ()}

    def cost(self, x: FeatureMap) -> Cost:
        return Cost({"batch_norm": 2 * x.elements})
