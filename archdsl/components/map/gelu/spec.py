"""`gelu`: no fields, the map stays, and nothing is counted."""

from __future__ import annotations

from archdsl.schema.component import Component, component
from archdsl.source.record import dataclass


@component("gelu", slot="map", module="archdsl.components.map.gelu.module:Gelu")
@dataclass(frozen=True, slots=True)
class Gelu(Component):
    """Gaussian error linear unit, by the exact error function."""
