"""The fields of a component: their types, bounds, defaults and one line of documentation each."""

from __future__ import annotations

from typing import Any, Final

from archdsl.source import record
from archdsl.source.record import dataclass


class Missing:
    """No default: the field must be given."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class FromPlace:
    """A default read at the place of use: an attribute such as the stage's `dim`."""

    attribute: str


@dataclass(frozen=True, slots=True)
class FromArch:
    """A default that an attribute of the arch gives to all its parts, such as `init`; `otherwise` where it says nothing."""

    attribute: str
    otherwise: str


@dataclass(frozen=True, slots=True)
class FromField:
    """A default equal to another field of the same component, such as `stride` to `kernel`."""

    field: str


@dataclass(frozen=True, slots=True)
class Part:
    """A default that is a component by name, such as `gelu`."""

    component: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `optional` admits `none`.

    `type` is one of `int`, `float`, `bool`, `str`, `Size`, `Component`, `floats` (a list of numbers), `pairs` (a list of lists
    of two whole numbers).
    """

    name: str
    type: str
    optional: bool
    default: Any
    doc: str
    ge: float | None
    gt: float | None
    le: float | None
    lt: float | None
    choices: tuple[str, ...] | None
    divides: str | None

    @property
    def required(self) -> bool:
        return self.default is MISSING


# how convolutions start: by PyTorch's rule, of deviation sqrt(2 / fan out), or of 0.02
STARTS = ("uniform", "fan_out", "normal")
_LISTS = {"tuple[float, ...]": "floats", "tuple[tuple[int, int], ...]": "pairs"}
_TYPES = {"int", "float", "bool", "str", "Size", "Component", *_LISTS}


def field(
    *,
    default: Any = MISSING,
    doc: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] | None = None,
    divides: str | None = None,
) -> Any:
    """Declare a field of a component.

    Parameters
    ----------
    default: a value, `FromPlace("dim")`, `FromArch("init", "uniform")`, `FromField("kernel")`, `Part("gelu")`, or nothing
        for a required field.
    doc: one line, shown by `archdsl explain`.
    ge, gt, le, lt: bounds of a number; of both numbers of a size.
    choices: the texts a `str` field admits.
    divides: `"channels"` when the value must divide the channels of the map that comes in.
    """
    bounds = {"doc": doc, "ge": ge, "gt": gt, "le": le, "lt": lt, "choices": choices, "divides": divides}
    # the dataclass itself has no defaults: every instance is made from fully resolved fields
    return record.field(metadata={"default": default, **bounds})


def _words(kind: str) -> list[str]:
    """The types of an annotation as a reader writes them; it is a text, or the text of a real type."""
    inner = kind.removeprefix("typing.").removeprefix("Optional[")
    if inner.endswith("]") and inner != kind.removeprefix("typing."):
        kind = f"{inner[:-1]} | None"
    found = []
    for word in kind.split("|"):
        plain = word.strip().removeprefix("<class '").removesuffix("'>")
        found.append(plain if "[" in plain else plain.rpartition(".")[2])
    return found


def read_fields(cls: type[Any]) -> tuple[Field, ...]:
    """The fields of a component class, in the order written."""
    found = []
    for name, kind, metadata in record.declared(cls):
        kinds = _words(kind)
        optional = "None" in kinds
        kinds = [word for word in kinds if word != "None"]
        if len(kinds) != 1 or kinds[0] not in _TYPES:
            known = ", ".join(sorted(_TYPES))
            raise TypeError(f"{cls.__name__}.{name}: a field is one of {known}, perhaps with `| None`, not {kind}")
        if "doc" not in metadata:
            raise TypeError(f"{cls.__name__}.{name} must be declared with archdsl.schema.field")
        of = _LISTS.get(kinds[0], kinds[0])
        found.append(Field(name=name, type=of, optional=optional, **metadata))
    return tuple(found)
