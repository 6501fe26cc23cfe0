"""Fields are read from annotations, whether those are texts or types."""

from __future__ import annotations

import pytest

from archdsl.schema.component import Component
from archdsl.schema.field import read_fields

TEXT = """
{future}
from dataclasses import dataclass
from typing import Optional
from archdsl.schema import units
from archdsl.schema.component import Component
from archdsl.schema.field import field
from archdsl.schema.units import Size

@dataclass(frozen=True, slots=True)
class Mixer(Component):
    a: int = field(doc="a")
    b: float = field(doc="b")
    c: bool = field(doc="c")
    d: str = field(doc="d")
    e: Size = field(doc="e")
    f: units.Size = field(doc="f")
    g: Component = field(doc="g")
    h: tuple[float, ...] = field(doc="h")
    i: int | None = field(doc="i")
    j: Size | None = field(doc="j")
    k: Component | None = field(doc="k")
    l: tuple[float, ...] | None = field(doc="l")
    p: tuple[tuple[int, int], ...] | None = field(doc="p")
    m: Optional[int] = field(doc="m")
    n: Optional[Size] = field(doc="n")
"""
KINDS = [
    "int",
    "float",
    "bool",
    "str",
    "Size",
    "Size",
    "Component",
    "floats",
    "int",
    "Size",
    "Component",
    "floats",
    "pairs",
    "int",
    "Size",
]


def made(text: str) -> type[Component]:
    names: dict[str, object] = {"__name__": __name__}
    exec(compile(text, "<text>", "exec", dont_inherit=True), names)
    found = names["Mixer"]
    assert isinstance(found, type)
    return found


@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
def test_a_field_is_read_from_a_type_or_its_text(future: str) -> None:
    fields = read_fields(made(TEXT.format(future=future)))
    assert [entry.type for entry in fields] == KINDS
    assert [entry.optional for entry in fields] == [False] * 8 + [True] * 7


@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
@pytest.mark.parametrize("kind", ["bytes", "int | str", "list[int]", "None"])
def test_any_other_type_is_refused(future: str, kind: str) -> None:
    text = TEXT.format(future=future).partition("    a: int")[0] + f'    a: {kind} = field(doc="a")\n'
    with pytest.raises(TypeError, match=r"Mixer\.a: a field is one of Component, Size, bool, float, int, str, tuple"):
        read_fields(made(text))
