"""A component with its fields and a map: what the conformance suite tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archdsl.schema.component import Component
from archdsl.schema.defaults import with_defaults
from archdsl.schema.units import FeatureMap


@dataclass(frozen=True)
class Case:
    """One use of a component.

    `fields` has those that differ from their defaults; a default that is read at the place of use, such as the stage's
    `dim`, is the number of channels of `x`. `state` has the names of the state_dict, in order: they are part of every saved
    checkpoint, so a case says them again.
    """

    x: FeatureMap
    fields: Mapping[str, Any] = field(default_factory=dict)
    state: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "-".join([str(self.x), *(f"{name}={value}" for name, value in self.fields.items())])


def resolved(name: str, fields: Mapping[str, Any], x: FeatureMap) -> Component:
    """A component with all its fields: those given, and the defaults of the others at a map `x`."""
    return with_defaults(name, fields, dim=x.channels)
