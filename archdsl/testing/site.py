"""The place of a component that stands in no text."""

from __future__ import annotations

from archdsl.schema.component import Component
from archdsl.schema.units import FeatureMap, Size


class Refused(Exception):
    """A component's refusal of a map or of its own fields, with what the diagnostic would say."""

    def __init__(self, message: str, *, field: str | None = None, label: str = "", help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.label = label
        self.help = help


class LoneSite:
    """A `Site` without a text: a refusal is raised as `Refused`."""

    def require(self, holds: bool, message: str, *, field: str | None = None, label: str = "", help: str = "") -> None:
        if not holds:
            raise Refused(message, field=field, label=label, help=help)

    def require_map(self, x: FeatureMap) -> Size:
        if x.tokens:
            raise Refused("a map with nothing beside its positions is needed", label=f"the map is {x} here")
        if x.size is None:
            raise Refused("a map with positions is needed", label=f"only {x.channels} channels are left here")
        return x.size

    def require_divisible(self, size: Size, by: Size, *, field: str, help: str = "") -> None:
        holds = size.height % by.height == 0 and size.width % by.width == 0
        self.require(holds, f"the map must be divisible by {by}", field=field, label=f"the map is {size} here", help=help)


def shape_at(spec: Component, x: FeatureMap) -> FeatureMap:
    """What comes out of a component for `x`, or `Refused`: the shape rule, after the fields that must divide the channels."""
    for entry in spec.schema.fields:
        value = getattr(spec, entry.name)
        if entry.divides == "channels" and value is not None and x.channels % value:
            raise Refused(f"`{entry.name}` must divide the channels", field=entry.name, label=f"{x.channels} channels here")
    return spec.shape(x, LoneSite())
