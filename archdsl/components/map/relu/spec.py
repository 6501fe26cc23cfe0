"""`relu`: no fields, the map stays, and nothing is counted."""

from __future__ import annotations

from archdsl.schema.component import Component, component
from archdsl.source.record import dataclass


@component("relu", slot="map", module="archdsl.components.map.relu.module:Relu")
@dataclass(frozen=True, slots=True)
class Relu(Component):
    """Rectified linear unit."""
