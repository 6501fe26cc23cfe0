"""Writes the list of built-in components that the registry reads in place of importing them all."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from archdsl.schema.component import Component, Schema

_HEAD = '''"""The built-in components: slot, class, and what each is. Written by `python -m archdsl.schema.registry --write`."""

from __future__ import annotations

from typing import Literal

MANIFEST: dict[str, tuple[Literal["token", "channel", "map"], str, str]] = {
'''
_LONGEST_DOC = 110


def render() -> str:
    """The text of the manifest, from every `spec.py` below `archdsl/components`."""
    from archdsl.schema.registry import first_sentence

    lines = [_HEAD]
    for name, (path, schema) in sorted(_declared().items()):
        doc = first_sentence(schema.doc)
        if len(doc) > _LONGEST_DOC:
            raise ValueError(f"{name}: the first sentence of the docstring has more than {_LONGEST_DOC} characters")
        if '"' in doc or "\\" in doc:
            raise ValueError(f"{name}: the first sentence of the docstring has a quote or a backslash")
        lines.append(f'    "{name}": (\n        "{schema.slot}",\n        "{path}",\n        "{doc}",\n    ),\n')
    return "".join(lines) + "}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the manifest, or check that it is up to date: 0 when it is, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m archdsl.schema.registry", description=main.__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write archdsl/components/manifest.py")
    action.add_argument("--check", action="store_true", help="exit with 1 when it is not up to date")
    chosen = parser.parse_args(arguments)
    path = _components() / "manifest.py"
    text = render()
    if chosen.write:
        path.write_text(text, encoding="utf-8", newline="\n")
        return 0
    if path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("archdsl/components/manifest.py is out of date: python -m archdsl.schema.registry --write\n")
    return 1


def _components() -> Path:
    return Path(__file__).parents[1] / "components"


def _declared() -> dict[str, tuple[str, Schema]]:
    found: dict[str, tuple[str, Schema]] = {}
    for spec in sorted(_components().glob("*/*/spec.py")):
        slot, name = spec.parts[-3:-1]
        module = importlib.import_module(f"archdsl.components.{slot}.{name}.spec")
        for value in vars(module).values():
            declared = isinstance(value, type) and issubclass(value, Component) and value.__module__ == module.__name__
            if not declared or "schema" not in vars(value):
                continue
            if (value.schema.slot, value.schema.name) != (slot, name):
                raise ValueError(f"{slot}/{name}/spec.py declares {value.schema.slot} {value.schema.name}")
            found[name] = (f"{module.__name__}:{value.__name__}", value.schema)
        if name not in found:
            raise ValueError(f"{slot}/{name}/spec.py declares no component")
    return found
