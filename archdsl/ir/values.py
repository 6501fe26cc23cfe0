"""Values of expressions, and how a value becomes what a field wants."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from archdsl.ir.part import Origin, Part
from archdsl.ir.preprocess import Preprocess
from archdsl.lang import ast
from archdsl.schema.component import Component
from archdsl.schema.field import Field
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.limits import MAGNITUDE
from archdsl.source.record import dataclass, field, replace
from archdsl.source.text import Span

Number: TypeAlias = int | Fraction

# how many places a value came through are remembered
_MAX_HOPS = 8


@dataclass(frozen=True, slots=True)
class Partial:
    """A component with the fields told so far; refining it tells more."""

    component: type[Component]
    arguments: Mapping[str, Val] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A part with the number of components in it."""

    part: Part
    size: int


@dataclass(frozen=True, slots=True)
class Ramp:
    """A drop-path schedule that rises from block to block."""

    rate: float
    endpoint: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A let with parameters that was named, not called."""

    let: ast.Let


@dataclass(frozen=True, slots=True)
class Val:
    """A value: a number (int, Fraction), bool, None, str, a size (tuple of int), Quantity or list, or what a call makes.

    A call makes a Partial, Built, Ramp, Preprocess, or Function.
    """

    value: Any
    origin: Origin

    @property
    def span(self) -> Span:
        return self.origin.span

    def through(self, name: str, span: Span, written: Span) -> Val:
        """The same value read at `span` by the name of something written at `written`."""
        return Val(self.value, Origin(span, ((name, written), *self.origin.hops)[:_MAX_HOPS]))


def is_number(value: object) -> bool:
    return isinstance(value, int | Fraction) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """What a value is, as a reader calls it."""
    if value is None:
        return "`none`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, int):
        return f"the whole number {value}"
    if isinstance(value, Fraction):
        return f"the number {show_number(value)}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, tuple):
        return f"the size {'x'.join(map(str, value))}"
    if isinstance(value, ast.Quantity):
        return f"the quantity {value.number}{value.unit}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Partial):
        return f"the component `{value.component.schema.name}`"
    if isinstance(value, Function):
        return f"`{value.let.name.id}`, which needs its arguments"
    if isinstance(value, Ramp):
        return "a drop-path schedule"
    if isinstance(value, Preprocess):
        return "a preprocessing of images"
    return "a part"


def show_number(value: Number) -> str:
    """A number as a reader writes it: whole, or with up to six digits."""
    return str(value) if isinstance(value, int) or value.denominator == 1 else f"{float(value):.6g}"


def origin_notes(origin: Origin) -> list[Note]:
    """One note for each place a value came through, at most three."""
    notes = [Note(f"`{name}` comes from here", span) for name, span in origin.hops[:3]]
    if len(origin.hops) > 3:
        notes.append(Note(f"... {len(origin.hops) - 3} more"))
    return notes


def blame(origin: Origin, report: Report) -> list[Note]:
    """The notes of an error that a value makes. A let that is at fault is told of once, wherever its value is read."""
    if any(span in report.blamed for _, span in origin.hops):
        raise Reported
    read = origin.span
    report.blamed.add(read)
    for name, written in origin.hops:
        # what is computed from several values is not the fault of one of them
        if read.text != name:
            break
        report.blamed.add(written)
        read = written
    return origin_notes(origin)


def checked_number(value: Number, span: Span, report: Report) -> Number:
    """The number, whole if it can be. Refuses what is too large or too fine to be meant."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            value = value.numerator
        elif value.denominator > MAGNITUDE**2:
            report.fail("limit-exceeded", "a number may have about thirty digits", span, "finer than that")
    if not -MAGNITUDE <= value <= MAGNITUDE:
        report.fail("limit-exceeded", f"a number may be at most {MAGNITUDE:_}", span, "larger than that")
    return value


_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "`true` or `false`",
    "str": "a text in quotes",
    "Size": "a size such as 7x7",
    "Component": "a component",
    "floats": "a list of numbers such as [0.1, 0.2]",
    "pairs": "a list of pairs of whole numbers such as [[5, 1], [3, 2]]",
}


def coerce(entry: Field, val: Val, component: str, report: Report) -> Any:
    """The value of a field. `Component` fields are left as `Partial` for the caller to finish."""
    value = val.value
    if value is None and entry.optional:
        return None
    if entry.type == "int" and is_number(value):
        return _bounded(entry, whole(val, f"`{entry.name}`", report), val, report)
    if entry.type == "float" and is_number(value):
        return float(_bounded(entry, value, val, report))
    if entry.type == "bool" and isinstance(value, bool):
        return value
    if entry.type == "str" and isinstance(value, str):
        if entry.choices and value not in entry.choices:
            known = ", ".join(f'"{choice}"' for choice in entry.choices)
            report.fail(
                "unknown-choice",
                f'`{entry.name}` of `{component}` cannot be "{_printable(value)}"',
                val.span,
                "not one of its values",
                notes=blame(val.origin, report),
                help=f"it is one of {known}",
            )
        return value
    if entry.type == "Size":
        if isinstance(value, tuple) and len(value) == 2:
            for number in value:
                _bounded(entry, number, val, report)
            return Size(*value)
        if is_number(value):
            number = _bounded(entry, whole(val, f"`{entry.name}`", report), val, report)
            return Size(number, number)
    if entry.type == "Component" and isinstance(value, Partial):
        return value
    if entry.type == "floats" and isinstance(value, list) and all(is_number(item.value) for item in value):
        return tuple(float(item.value) for item in value)
    if entry.type == "pairs" and isinstance(value, list) and all(_is_pair(item.value) for item in value):
        return tuple((int(first.value), int(second.value)) for first, second in (item.value for item in value))
    optional = ", or `none`" if entry.optional else ""
    report.fail(
        "wrong-type",
        f"`{entry.name}` of `{component}` is {_WANTED[entry.type]}{optional}",
        val.span,
        f"this is {kind_of(value)}",
        notes=blame(val.origin, report),
        help=_type_help(entry, val),
    )


def _is_pair(value: object) -> bool:
    """Whether a value is a list of two whole numbers."""
    return isinstance(value, list) and len(value) == 2 and all(type(item.value) is int for item in value)


def _type_help(entry: Field, val: Val) -> str:
    value = val.value
    if entry.type == "Size" and isinstance(value, tuple):
        return "a size has two numbers, height and width: HxW"
    if entry.type == "str" and (isinstance(value, Partial) or val.span.text in (entry.choices or ())):
        return f'write it in quotes: "{val.span.text}"'
    if entry.type == "bool" and isinstance(value, int) and value in (0, 1):
        return f"write `{'true' if value else 'false'}`"
    if entry.type in ("int", "float") and isinstance(value, ast.Quantity):
        return "write the number out, without a unit"
    return entry.doc


def whole(val: Val, what: str, report: Report) -> int:
    """A whole number, or an error that shows what did not divide."""
    if isinstance(val.value, int):
        return val.value
    report.fail(
        "not-whole",
        f"{what} must be a whole number",
        val.span,
        f"this is {show_number(val.value)}",
        notes=blame(val.origin, report),
        help="choose numbers that divide without remainder",
    )


def _bounded(entry: Field, value: Any, val: Val, report: Report) -> Any:
    bounds: tuple[tuple[float | None, bool, str], ...] = (
        (entry.ge, entry.ge is not None and value < entry.ge, "at least"),
        (entry.gt, entry.gt is not None and value <= entry.gt, "more than"),
        (entry.le, entry.le is not None and value > entry.le, "at most"),
        (entry.lt, entry.lt is not None and value >= entry.lt, "less than"),
    )
    for limit, broken, words in bounds:
        if limit is not None and broken:
            report.fail(
                "out-of-bounds",
                f"`{entry.name}` must be {words} {limit:g}",
                val.span,
                f"this is {show_number(value)}",
                notes=blame(val.origin, report),
                help=entry.doc,
            )
    return value


def _printable(text: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def relabelled(val: Val, label: str) -> Val:
    """A part or component called by the word written at its place."""
    if isinstance(val.value, Partial):
        return replace(val, value=replace(val.value, label=label))
    if isinstance(val.value, Built):
        return replace(val, value=replace(val.value, part=replace(val.value.part, label=label)))
    return val
