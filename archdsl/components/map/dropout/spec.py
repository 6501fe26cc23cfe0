"""The field of `dropout`; the map stays, and nothing is counted."""

from __future__ import annotations

from archdsl.schema.component import Component, component
from archdsl.schema.field import field
from archdsl.source.record import dataclass


@component("dropout", slot="map", module="archdsl.components.map.dropout.module:Dropout")
@dataclass(frozen=True, slots=True)
class Dropout(Component):
    """Dropout: in training, sets single elements to zero and scales the others up."""

    rate: float = field(ge=0, lt=1, doc="probability of an element to be dropped")
