"""Which components there are: the built-in ones, and those of installed packages.

Nothing is imported until a component is looked up, and installed packages are asked only about names that are not built in.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from archdsl.components.manifest import MANIFEST
from archdsl.schema import plugins
from archdsl.schema.component import Component, Slot
from archdsl.schema.plugins import BrokenPlugin as BrokenPlugin
from archdsl.schema.plugins import Clash as Clash

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "archdsl.components"


def lookup(name: str) -> type[Component] | BrokenPlugin | None:
    """The component called `name`; None if there is none, `BrokenPlugin` if an installed package fails to give it."""
    if name in MANIFEST:
        return _built_in(name)
    return installed(name)


def installed(name: str) -> type[Component] | BrokenPlugin | None:
    """As `lookup`, of components of installed packages alone; those that are built in are not imported."""
    plugin = _plugins()[0].get(name)
    return None if plugin is None else _load(plugin)


def names(slot: Slot | None = None) -> tuple[str, ...]:
    """All names, sorted; those of one slot on request. Of installed packages, broken ones are listed too: they have no slot."""
    brought = _plugins()[0]
    if slot is None:
        return tuple(sorted({*MANIFEST, *brought}))
    found = {name for name, entry in MANIFEST.items() if entry[0] == slot}
    for name, plugin in brought.items():
        loaded = _load(plugin)
        if not isinstance(loaded, BrokenPlugin) and loaded.schema.slot == slot:
            found.add(name)
    return tuple(sorted(found))


def built_in() -> tuple[str, ...]:
    """The names that come with archdsl, sorted."""
    return tuple(sorted(MANIFEST))


def summary(name: str) -> tuple[Slot | None, str]:
    """Slot and first sentence of a component, without an import where it is built in. An unusable one has no slot."""
    if name in MANIFEST:
        slot, _, doc = MANIFEST[name]
        return slot, doc
    found = lookup(name)
    if found is None:
        raise KeyError(name)
    if isinstance(found, BrokenPlugin):
        return None, found.error
    return found.schema.slot, first_sentence(found.schema.doc)


def distribution(name: str) -> str:
    """The distribution that a component comes from: `archdsl`, or the name of an installed package."""
    if name in MANIFEST:
        return "archdsl"
    return plugins.owner(_plugins()[0][name])


def clashes() -> tuple[Clash, ...]:
    """Components of installed packages that are ignored because their name is taken."""
    return _plugins()[1]


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring, on one line."""
    paragraph = " ".join(doc.split("\n\n", 1)[0].split())
    return paragraph.split(". ", 1)[0].rstrip(".") + "."


@cache
def _built_in(name: str) -> type[Component]:
    module, _, attribute = MANIFEST[name][1].partition(":")
    found: type[Component] = getattr(importlib.import_module(module), attribute)
    return found


@cache
def _plugins() -> tuple[Mapping[str, EntryPoint], tuple[Clash, ...]]:
    return plugins.find(GROUP, MANIFEST)


@cache
def _load(entry: EntryPoint) -> type[Component] | BrokenPlugin:
    return plugins.load(entry, lambda found: _wrong(entry, found))  # type: ignore[return-value]


def _wrong(entry: EntryPoint, found: object) -> str:
    """What keeps something from being the component of an entry point; nothing where it is."""
    schema = getattr(found, "schema", None)
    if not (isinstance(found, type) and issubclass(found, Component)) or schema is None:
        return f"{entry.value} is not a declared component"
    if schema.name != entry.name:
        return f"{entry.value} declares the component {schema.name}"
    return ""


if __name__ == "__main__":
    from archdsl.schema.manifest import main

    raise SystemExit(main())
