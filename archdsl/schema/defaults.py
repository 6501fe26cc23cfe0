"""Components made from Python, with the defaults of the fields that are not told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archdsl.schema.component import Component
from archdsl.schema.field import FromArch, FromField, FromPlace, Part
from archdsl.schema.registry import BrokenPlugin, lookup
from archdsl.schema.units import Size


def found(name: str) -> type[Component]:
    """The registered component, or `LookupError` with the reason."""
    component = lookup(name)
    if component is None:
        raise LookupError(f"no component is called {name}")
    if isinstance(component, BrokenPlugin):
        raise LookupError(f"{name} of {component.distribution} cannot be used: {component.error}")
    return component


def with_defaults(name: str, fields: Mapping[str, Any], *, dim: int | None = None) -> Component:
    """A component with all its fields: those told, and the defaults of the others.

    Parameters
    ----------
    dim: what a field gets whose default is read at the place of use, such as the stage's `dim`.

    Raises
    ------
    LookupError: there is no such component.
    ValueError: a field that it does not have, or a value that is missing.
    """
    cls = found(name)
    values: dict[str, Any] = dict(fields)
    if unknown := values.keys() - {entry.name for entry in cls.schema.fields}:
        raise ValueError(f"{name} has no field {sorted(unknown)}")
    for entry in cls.schema.fields:
        if entry.name in values:
            continue
        if entry.required or (dim is None and isinstance(entry.default, FromPlace)):
            raise ValueError(f"{name} needs the field {entry.name}")
        match entry.default:
            case FromField(other):
                values[entry.name] = values[other]
            case FromArch(otherwise=other):
                values[entry.name] = other
            case FromPlace():
                values[entry.name] = dim
            case Part(other):
                values[entry.name] = with_defaults(other, {}, dim=dim)
            case default:
                values[entry.name] = default
    for entry in cls.schema.fields:
        if entry.type == "Size" and isinstance(values[entry.name], int):
            values[entry.name] = Size(values[entry.name], values[entry.name])
    return cls(**{entry.name: values[entry.name] for entry in cls.schema.fields})
