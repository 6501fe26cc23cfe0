"""`silu`: no fields, the map stays, and nothing is counted."""

from __future__ import annotations

from archdsl.schema.component import Component, component
from archdsl.source.record import dataclass


@component("silu", slot="map", module="archdsl.components.map.silu.module:Silu")
@dataclass(frozen=True, slots=True)
class Silu(Component):
    """Sigmoid linear unit: the input times its sigmoid."""
