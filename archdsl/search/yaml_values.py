"""Values of YAML files: numbers, truth values and texts from scalars, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from typing import TypeAlias

from archdsl.lang.yaml_twin_nodes import Mapping, Node, Scalar

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | dict[str, Value] | None"

# Python makes no whole number of thousands of digits
_WHOLE = re.compile(r"(?=.{1,999}\Z)[-+]?[0-9]+(_[0-9]+)*\Z")
_NUMBER = re.compile(r"[-+]?([0-9]+(_[0-9]+)*)?\.?[0-9]+([eE][-+]?[0-9]+)?\Z|[-+]?[0-9]+\.\Z")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None, "~": None, "": None}
# brackets would be those of a call, which a list or a map on one line may not cut
_SAFE = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+= -]*(?<! )\Z")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def value_of(node: Node) -> Value:
    """What a node says: a plain scalar is a number or a truth value where it looks like one; what is quoted is text."""
    if isinstance(node, Mapping):
        return {key.value: value_of(value) for key, value in node.pairs}
    if not isinstance(node, Scalar):
        return tuple(value_of(item) for item in node.items)
    text = node.value
    if node.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        return int(text)
    return float(text) if _NUMBER.match(text) else text


def text_of(values: MappingType[str, object]) -> str:
    """A map as YAML, which `value_of` reads back."""
    return "".join(f"{line}\n" for line in _lines(values, ""))


def _lines(values: MappingType[str, object], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, MappingType) and value:
            yield f"{indent}{scalar(str(key))}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{scalar(str(key))}: {_brief(value)}"


def _brief(value: object) -> str:
    if isinstance(value, MappingType):
        return "{" + ", ".join(f"{scalar(str(key))}: {_brief(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_brief, value)) + "]"
    return scalar(value)


def scalar(value: object) -> str:
    """A value that is no list and no map as YAML, on any line."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return repr(value)
    return value if _SAFE.match(value) and value not in _WORDS else f'"{"".join(map(_character, value))}"'


def _character(char: str) -> str:
    """A character between quotes: as it is, unless YAML has no place for it, or another meaning."""
    if char in _ESCAPED:
        return _ESCAPED[char]
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
