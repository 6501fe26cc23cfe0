"""Values as they are written in a spec, and numbers as they are read best."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from archdsl.schema.component import Component
from archdsl.schema.field import MISSING, FromArch, FromField, FromPlace, Part
from archdsl.schema.units import Size


def written(value: Any) -> str:
    """A field's value as a spec writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, Component):
        return written_component(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(written(entry) for entry in value) + "]"
    if isinstance(value, FromPlace):
        return f"the {value.attribute} here"
    if isinstance(value, FromArch):
        return f'the {value.attribute} of the arch, else "{value.otherwise}"'
    if isinstance(value, FromField):
        return f"as {value.field}"
    if isinstance(value, Part):
        return value.component
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def fields(component: Component, also: Collection[str] = ()) -> dict[str, str]:
    """The fields of a component that are not as by default, and those named by `also`, as a spec writes them."""
    found = {}
    for entry in component.schema.fields:
        value = getattr(component, entry.name)
        if entry.name in also or not _is_default(component, value, entry.default):
            found[entry.name] = written(value)
    return found


def written_component(component: Component, also: Collection[str] = ()) -> str:
    """A component as a spec calls it: `conv(3x3, out = 64)`; a size that comes first goes without its name."""
    said = ", ".join(written_fields(component, also))
    return f"{component.schema.name}({said})" if said else component.schema.name


def written_fields(component: Component, also: Collection[str] = ()) -> list[str]:
    """What a component's call has in brackets, each as it is written there."""
    bare = _bare(component)
    return [value if name == bare else f"{name} = {value}" for name, value in fields(component, also).items()]


def written_first(component: Component) -> str:
    """The size that comes first in a component's call; nothing where it has none."""
    bare = _bare(component)
    return written(getattr(component, bare)) if bare else ""


def _bare(component: Component) -> str | None:
    """The field that is given without its name: a size that comes first."""
    first = component.schema.fields[0] if component.schema.fields else None
    return first.name if first and first.required and first.type == "Size" else None


def _is_default(component: Component, value: Any, default: Any) -> bool:
    if default is MISSING or isinstance(default, FromPlace):
        return False
    if isinstance(default, FromArch):
        # how all parts of the arch have it is told once, not at each
        return True
    if isinstance(default, FromField):
        return bool(value == getattr(component, default.field))
    if isinstance(default, Part):
        return isinstance(value, Component) and value.schema.name == default.component and not fields(value)
    return bool(value == default and type(value) is type(default))


def exact(count: int) -> str:
    """`13_142_760`."""
    return f"{count:_}"


def difference(before: int, after: int) -> str:
    """`+1_573_376 (+12.0 %)`, or `the same`."""
    if before == after:
        return "the same"
    share = f" ({(after - before) / before * 100:+.1f} %)" if before else ""
    return f"{after - before:+_}{share}"
