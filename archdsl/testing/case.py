"""A component with its fields and a map: what the conformance suite tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archdsl.schema.component import Component
from archdsl.schema.field import FromField, FromPlace, Part
from archdsl.schema.registry import BrokenPlugin, lookup
from archdsl.schema.units import FeatureMap, Size


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


def found(name: str) -> type[Component]:
    """The registered component, or `LookupError` with the reason."""
    component = lookup(name)
    if component is None:
        raise LookupError(f"no component is called {name}")
    if isinstance(component, BrokenPlugin):
        raise LookupError(f"{name} of {component.distribution} cannot be used: {component.error}")
    return component


def resolved(name: str, fields: Mapping[str, Any], x: FeatureMap) -> Component:
    """A component with all its fields: those given, and the defaults of the others at a map `x`."""
    cls = found(name)
    values: dict[str, Any] = dict(fields)
    if unknown := values.keys() - {entry.name for entry in cls.schema.fields}:
        raise ValueError(f"{name} has no field {sorted(unknown)}")
    for entry in cls.schema.fields:
        if entry.name in values:
            continue
        if entry.required:
            raise ValueError(f"{name} needs the field {entry.name}")
        match entry.default:
            case FromField(other):
                values[entry.name] = values[other]
            case FromPlace():
                values[entry.name] = x.channels
            case Part(other):
                values[entry.name] = resolved(other, {}, x)
            case default:
                values[entry.name] = default
    for entry in cls.schema.fields:
        if entry.type == "Size" and isinstance(values[entry.name], int):
            values[entry.name] = Size(values[entry.name], values[entry.name])
    return cls(**{entry.name: values[entry.name] for entry in cls.schema.fields})
