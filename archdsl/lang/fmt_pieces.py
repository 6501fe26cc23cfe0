"""Syntax as the words and signs of its canonical text, each knowing how it may stand on a line."""

from __future__ import annotations

from typing import Literal, TypeAlias

from archdsl.lang import ast
from archdsl.source.record import dataclass, replace

# `begin`: the first of a value; `join`: a `->` or `|` at the top of a value; `equals`: the sign that gives a value;
# `clause`: a word such as `skip` or `at` that goes on in an item
Role: TypeAlias = Literal["", "begin", "join", "equals", "clause"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or sign. `gap`: a blank stands before it, unless it is the first of a line; `depth`: brackets around it."""

    text: str
    gap: bool = False
    role: Role = ""
    depth: int = 0
    number: bool = False

    @property
    def width(self) -> int:
        return len(self.text) + self.gap


_CHOICE, _CHAIN, _RANGE, _SUM, _PRODUCT, _UNARY, _POSTFIX, _ATOM = range(8)
_LEVELS: dict[type, int] = {
    ast.Choice: _CHOICE,
    ast.Chain: _CHAIN,
    ast.Range: _RANGE,
    ast.Sum: _SUM,
    ast.Product: _PRODUCT,
    ast.Negate: _UNARY,
    ast.Call: _POSTFIX,
    ast.Member: _POSTFIX,
}


class _Writer:
    """Collects the pieces of expressions."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.depth = 0
        self._gap = False

    def put(self, text: str, *, gap: bool = False, role: Role = "", number: bool = False) -> None:
        self.pieces.append(Piece(text, gap or self._gap, role, self.depth, number))
        self._gap = False

    def word(self, text: str, role: Role = "") -> None:
        """A word or sign with a blank on either side."""
        self.put(text, gap=bool(self.pieces), role=role)
        self._gap = True

    def value(self, expr: ast.Expr) -> None:
        """A value at the top of an item, where long chains and choices may break."""
        first = len(self.pieces)
        if isinstance(expr, ast.Choice):
            self._joined(expr.options, "|", _CHAIN, "join")
        elif isinstance(expr, ast.Chain):
            self._joined(expr.parts, "->", _RANGE, "join")
        else:
            self.expression(expr, _CHOICE)
        self.pieces[first] = replace(self.pieces[first], role="begin")

    def expression(self, expr: ast.Expr, level: int) -> None:
        """An expression where the grammar wants at least `level`."""
        if _LEVELS.get(type(expr), _ATOM) < level:
            self._open("(")
            self._bare(expr)
            self._close(")")
        else:
            self._bare(expr)

    def _open(self, sign: str) -> None:
        self.put(sign)
        self.depth += 1

    def _close(self, sign: str) -> None:
        self.depth -= 1
        self._gap = False
        self.put(sign)

    def _joined(self, parts: tuple[ast.Expr, ...], sign: str, level: int, role: Role = "") -> None:
        for index, part in enumerate(parts):
            if index:
                self.word(sign, role)
            # a sum inside a chain reads wrong without parentheses
            self.expression(part, _ATOM if sign == "->" and isinstance(part, ast.Sum) else level)

    def _bare(self, expr: ast.Expr) -> None:
        match expr:
            case ast.Name():
                self.put(expr.id)
            case ast.Integer() | ast.Real():
                self.put(expr.text, number=True)
            case ast.Quantity():
                self.put(expr.number + expr.unit, number=True)
            case ast.Shape():
                self.put("x".join(str(value) for value in expr.values), number=True)
            case ast.String():
                self.put(f'"{expr.value}"')
            case ast.List():
                self._open("[")
                self._separated([(None, item) for item in expr.items])
                self._close("]")
            case ast.Call():
                self.expression(expr.callee, _POSTFIX)
                self._open("(")
                self._separated([(argument.name, argument.value) for argument in expr.arguments])
                self._close(")")
            case ast.Member():
                self.expression(expr.object, _POSTFIX)
                self.put(".")
                self.put(expr.name.id)
            case ast.Negate():
                self.put("-")
                self.expression(expr.operand, _UNARY)
            case ast.Sum() | ast.Product():
                level = _PRODUCT if isinstance(expr, ast.Sum) else _UNARY
                self.expression(expr.operands[0], level)
                for sign, operand in zip(expr.operators, expr.operands[1:], strict=True):
                    self.word(sign)
                    self.expression(operand, level)
            case ast.Range():
                self.expression(expr.start, _SUM)
                self.put("..")
                self.expression(expr.stop, _SUM)
                if expr.step is not None:
                    self.word("step")
                    self.expression(expr.step, _SUM)
            case ast.Chain():
                self._joined(expr.parts, "->", _RANGE)
            case ast.Choice():
                self._joined(expr.options, "|", _CHAIN)

    def _separated(self, entries: list[tuple[ast.Ident | None, ast.Expr | None]]) -> None:
        for index, (name, value) in enumerate(entries):
            if index:
                self.put(",")
                self._gap = True
            if name is not None:
                self.put(name.id)
            if name is not None and value is not None:
                self.word("=")
            if value is not None:
                self.expression(value, _CHOICE)

    def params(self, params: tuple[ast.Param, ...] | None) -> None:
        if params is not None:
            self._open("(")
            self._separated([(param.name, param.default) for param in params])
            self._close(")")


def expression_pieces(expr: ast.Expr) -> list[Piece]:
    """The pieces of a value that stands for itself."""
    writer = _Writer()
    writer.value(expr)
    return writer.pieces


Simple: TypeAlias = (
    ast.Edition
    | ast.Import
    | ast.Let
    | ast.Attribute
    | ast.Node
    | ast.Head
    | ast.Line
    | ast.Expect
    | ast.Budget
    | ast.Require
    | ast.Objective
)
Block: TypeAlias = ast.Arch | ast.Space | ast.Stage | ast.Default | ast.Position | ast.Layout


def item_pieces(item: Simple) -> list[Piece]:
    """The pieces of an item without a block."""
    w = _Writer()
    match item:
        case ast.Edition():
            w.word("edition")
            w.put(item.number.text)
        case ast.Import():
            w.word("import")
            w.word(f'"{item.path.value}"')
            w._open("(")
            w._separated([(name, None) for name in item.names])
            w._close(")")
        case ast.Let():
            w.word("let")
            w.put(item.name.id)
            w.params(item.params)
            w.word("=", "equals")
            w.value(item.value)
        case ast.Attribute():
            w.put(item.name.id)
            w.word("=", "equals")
            w.value(item.value)
        case ast.Node() | ast.Head():
            w.word("node" if isinstance(item, ast.Node) else "head")
            if item.name is not None:
                w.put(item.name.id)
            w.word("=", "equals")
            w.value(item.value)
        case ast.Line():
            w.word(item.kind)
            w.value(item.body)
            if item.skip is not None:
                w.word("skip", "clause")
                w.value(item.skip)
        case ast.Expect() | ast.Budget():
            w.word("expect" if isinstance(item, ast.Expect) else "budget")
            w.put(item.quantity.id)
            w.word("=" if isinstance(item, ast.Expect) else item.operator, "equals")
            w.value(item.value)
            if item.at is not None:
                w.word("at", "clause")
                w.expression(item.at, _CHOICE)
            if item.by is not None:
                w.word("by", "clause")
                w.put(item.by.id)
            if isinstance(item, ast.Expect) and item.because is not None:
                w.word("because", "clause")
                w.put(f'"{item.because.value}"')
        case ast.Require():
            w.word("require")
            w.expression(item.operands[0], _SUM)
            for sign, operand in zip(item.operators, item.operands[1:], strict=True):
                w.word(sign)
                w.expression(operand, _SUM)
        case ast.Objective():
            w.word(item.direction)
            w.put(item.name.id)
    return w.pieces


def block_pieces(item: Block) -> list[Piece]:
    """The pieces of an item with a block up to its `{`."""
    w = _Writer()
    match item:
        case ast.Arch():
            w.word("arch")
            w.put(item.name.id)
            if item.base is not None:
                w.word("extends")
                w.put(item.base.id)
        case ast.Space():
            w.word("space")
            w.put(item.name.id)
            w.word("over")
            w.put(item.base.id)
        case ast.Stage():
            w.word("stage")
            w.put(item.name.id)
        case ast.Default():
            w.word("default")
        case ast.Position():
            w.word(item.which)
        case ast.Layout():
            w.word("layout")
            if item.name is not None:
                w.put(item.name.id)
            w.params(item.params)
    w.word("{", "equals")
    return w.pieces


def text_of(pieces: list[Piece]) -> str:
    """Pieces on one line."""
    return "".join(" " * (piece.gap and index > 0) + piece.text for index, piece in enumerate(pieces))
