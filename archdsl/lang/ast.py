"""The syntax tree: one frozen class for each thing that can be written.

Two trees are equal when they say the same; places (`span`) do not count, nor do parentheses that change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from archdsl.source.record import dataclass, field, names
from archdsl.source.text import Source, Span


def _place() -> Span:
    place: Span = field(compare=False, repr=False)
    return place


@dataclass(frozen=True, slots=True)
class Ident:
    """A name being given, or a word whose meaning is fixed by its place."""

    id: str
    span: Span = _place()


# --- expressions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Integer:
    value: int
    text: str = field(compare=False)
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Real:
    value: float
    text: str  # the digits carry meaning
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Quantity:
    """Digits with a unit: `13.1M`, `2.2G`, `5%`. Units are judged where the quantity is used."""

    number: str
    unit: str
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Shape:
    """`7x7` or `3x224x224`."""

    values: tuple[int, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class String:
    value: str
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class List:
    items: tuple[Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Argument:
    """`value` by place, or `name = value`."""

    name: Ident | None
    value: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Call:
    callee: Expr
    arguments: tuple[Argument, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Member:
    """`s1.depth`."""

    object: Expr
    name: Ident
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Negate:
    operand: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Sum:
    """`a + b - c`: the operators stand between neighbours, so there is one fewer than operands."""

    operators: tuple[str, ...]  # "+" or "-"
    operands: tuple[Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Product:
    """`a * b / c`, from left to right."""

    operators: tuple[str, ...]  # "*" or "/"
    operands: tuple[Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Range:
    """`start..stop step step`, both ends included."""

    start: Expr
    stop: Expr
    step: Expr | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Chain:
    """`a -> b -> c`."""

    parts: tuple[Expr, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Choice:
    """`a | b | c`."""

    options: tuple[Expr, ...]
    span: Span = _place()


Expr: TypeAlias = (
    Name | Integer | Real | Quantity | Shape | String | List | Call | Member | Negate | Sum | Product | Range | Chain | Choice
)


# --- items --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edition:
    """`edition 1`: the edition of the language the file is written in."""

    number: Integer
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Import:
    path: String
    names: tuple[Ident, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Param:
    name: Ident
    default: Expr | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value`, or `let name(params) = value`; without parentheses `params` is None."""

    name: Ident
    params: tuple[Param, ...] | None
    value: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Line:
    """`residual body skip skip`, or `then body`."""

    kind: Literal["residual", "then"]
    body: Expr
    skip: Expr | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Layout:
    """`layout { ... }` (no name: the layout of the place it stands in), or `layout name(params) { ... }`."""

    name: Ident | None
    params: tuple[Param, ...] | None
    lines: tuple[Line, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Attribute:
    """`dim = 64`, `stem = ...`, `layout = focused`, `logits = ...`."""

    name: Ident
    value: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Node:
    name: Ident
    value: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Head:
    name: Ident | None
    value: Expr
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Position:
    """`first { ... }` or `last { ... }`: values for that block only."""

    which: Literal["first", "last"]
    items: tuple[Let | Layout | Attribute, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Default:
    items: tuple[StageItem, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Stage:
    name: Ident
    items: tuple[StageItem, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Expect:
    """`expect flops = 2.2G at 224x224 by fvcore because "..."`."""

    quantity: Ident
    value: Expr
    at: Expr | None
    by: Ident | None
    because: String | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Budget:
    quantity: Ident
    operator: str
    value: Expr
    at: Expr | None
    by: Ident | None
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Require:
    """`require a <= b < c`."""

    operands: tuple[Expr, ...]
    operators: tuple[str, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Objective:
    direction: Literal["maximize", "minimize"]
    name: Ident
    span: Span = _place()


StageItem: TypeAlias = Let | Layout | Attribute | Position
ModelItem: TypeAlias = Let | Layout | Attribute | Stage | Default | Node | Head


@dataclass(frozen=True, slots=True)
class Arch:
    name: Ident
    base: Ident | None
    items: tuple[ModelItem | Expect, ...]
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class Space:
    name: Ident
    base: Ident
    items: tuple[ModelItem | Budget | Require | Objective, ...]
    span: Span = _place()


FileItem: TypeAlias = Edition | Import | Let | Layout | Arch | Space


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment with its `#`, and whether it stands alone on its line."""

    text: str
    alone: bool
    span: Span = _place()


@dataclass(frozen=True, slots=True)
class File:
    items: tuple[FileItem, ...]
    source: Source = field(compare=False, repr=False)
    comments: tuple[Comment, ...] = field(compare=False, default=(), repr=False)


Syntax: TypeAlias = (
    Expr | FileItem | StageItem | ModelItem | Expect | Budget | Require | Objective | Argument | Param | Line | Ident | File
)

_CLASSES = (
    *(Ident, Name, Integer, Real, Quantity, Shape, String, List, Argument, Call, Member, Negate, Sum, Product),
    *(Range, Chain, Choice, Edition, Import, Param, Let, Line, Layout, Attribute, Node, Head, Position, Default),
    *(Stage, Expect, Budget, Require, Objective, Arch, Space, File),
)


def children(node: Syntax) -> Iterator[Syntax]:
    """The syntax directly inside a node, in reading order."""
    for name in names(node):
        if name in ("span", "source", "comments"):
            continue
        value = getattr(node, name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, _CLASSES):
                yield child


def walk(node: Syntax) -> Iterator[Syntax]:
    """A node and all syntax inside it, in reading order."""
    stack: list[Syntax] = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(tuple(children(here))))
