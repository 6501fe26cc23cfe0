"""The contract of a component, free of torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from archdsl.schema.cost import FREE, Cost
from archdsl.schema.field import Field, read_fields
from archdsl.schema.grid import Grid
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass, replace

Slot = Literal["token", "channel", "map"]


class Site(Protocol):
    """The place where a component is used: knows the text behind each value, so that a refusal can point at it."""

    def require(self, holds: bool, message: str, *, field: str | None = None, label: str = "", help: str = "") -> None:
        """Refuse with `message` unless `holds`; the caret goes under the argument `field`, else under the component."""

    def require_map(self, x: FeatureMap) -> Size:
        """The size of a map that must still have positions."""

    def require_divisible(self, size: Size, by: Size, *, field: str, help: str = "") -> None:
        """Refuse a map that `by`, the value of `field`, does not divide. `help`: what repairs it beside another input."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of a component without an instance."""

    name: str
    slot: Slot
    module: str
    fields: tuple[Field, ...]
    doc: str

    def field(self, name: str) -> Field | None:
        return next((entry for entry in self.fields if entry.name == name), None)


class Component:
    """Base of all components: a frozen dataclass of resolved fields.

    Subclasses override what differs from a part that keeps the map, has no weights and costs nothing.
    """

    __slots__ = ()
    schema: ClassVar[Schema]

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        """The map that comes out when `x` goes in. Refuses through `site` what the arithmetic does not allow."""
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the parameters by their names below this part in the state_dict, in the module's own order."""
        return {}

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the persistent buffers, likewise."""
        return {}

    def undecayed(self) -> tuple[str, ...]:
        """Names of weights that are published to be trained without weight decay, beside biases and all of one axis."""
        return ()

    def decayed(self) -> tuple[str, ...]:
        """Names of weights of one axis, or biases, that are published to be trained with weight decay."""
        return ()

    def fixed(self, x: FeatureMap) -> bool:
        """Whether a module for maps `x` works only on maps of that size, such as one that holds a table of positions."""
        return False

    def grids(self, x: FeatureMap) -> Mapping[str, Grid]:
        """The weights that have an entry for each position of a grid, and how weights of another size are resized to it.

        Only where the paper resizes them: it is done when it is asked for.
        """
        return {}

    def cost(self, x: FeatureMap) -> Cost:
        """Operations for one image of map `x`."""
        return FREE

    def fused(self) -> Component:
        """The component that computes the same in evaluation with its branches merged; itself where there is nothing to merge.

        Its weights keep the names of those they replace. Where it is another one, the module has `fold() -> dict[str, Tensor]`,
        the state of the fused module, or each part of it that differs has.
        """
        inner = {entry.name: getattr(self, entry.name) for entry in self.schema.fields if entry.type == "Component"}
        changed = {name: value.fused() for name, value in inner.items() if value is not None and value.fused() != value}
        return replace(self, **changed) if changed else self  # type: ignore[type-var]


C = TypeVar("C", bound=type[Component])


def component(name: str, *, slot: Slot, module: str) -> Callable[[C], C]:
    """Declare a frozen dataclass derived from `Component` to be the component `name`.

    Parameters
    ----------
    name: the word in specs, in the state_dict, and of the folder.
    slot: where it may stand: `token`, `channel`, or `map` (anywhere).
    module: `package.module:Class` of the reference, an `nn.Module` constructed as `Class(spec, x)` from the resolved
        component and the `FeatureMap` that comes in; it maps [B, *x.shape] to [B, *y.shape].
    """

    def declare(cls: C) -> C:
        doc = (cls.__doc__ or "").strip()
        cls.schema = Schema(name, slot, module, read_fields(cls), doc)
        return cls

    return declare


def instantiate(spec: Component, x: FeatureMap) -> Any:
    """The torch reference of a component for maps `x`. Imports torch."""
    path, _, name = spec.schema.module.partition(":")
    return getattr(importlib.import_module(path), name)(spec, x)
