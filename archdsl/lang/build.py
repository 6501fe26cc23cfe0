"""Syntax from tokens: what each rule of the grammar makes of its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from archdsl.lang import ast
from archdsl.lang.tokens import Token
from archdsl.source.diagnostic import Report
from archdsl.source.limits import NAME_LENGTH, NUMBER_LENGTH, STRING_LENGTH
from archdsl.source.text import Source, Span

# the parts of a rule in reading order: tokens, syntax made before, and tuples of it
Parts: TypeAlias = list[Any]
Action: TypeAlias = Callable[[Parts, Span], Any]

# what makes an expression one level deeper
DEEPER = frozenset({"choice", "pipe", "domain", "sum", "product", "negate", "call", "member", "list"})


class Builder:
    """One method for each rule of the grammar, by its name. Raises `Reported` for a literal past its limit."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self.report = report

    # --- literals and names ---

    def _span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def _word(self, token: Token, limit: int, what: str) -> str:
        if token.end - token.start > limit:
            length = token.end - token.start
            place = Span(self.source, token.start, token.start + limit)
            self.report.fail("limit-exceeded", f"a {what} has at most {limit:_} characters", place, f"this one has {length:_}")
        return self.source.text[token.start : token.end]

    def ident(self, token: Token) -> ast.Ident:
        return ast.Ident(self._word(token, NAME_LENGTH, "name"), self._span(token))

    def integer(self, parts: Parts, span: Span) -> ast.Integer:
        text = self._word(parts[0], NUMBER_LENGTH, "number")
        return ast.Integer(int(text.replace("_", "")), text, span)

    def real(self, parts: Parts, span: Span) -> ast.Real:
        text = self._word(parts[0], NUMBER_LENGTH, "number")
        value = float(text.replace("_", ""))
        if value == float("inf"):
            self.report.fail("limit-exceeded", "a number is at most 1.8e308", span, "too large")
        return ast.Real(value, text, span)

    def quantity(self, parts: Parts, span: Span) -> ast.Quantity:
        text = self._word(parts[0], NUMBER_LENGTH, "number")
        number = text.rstrip("%ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        return ast.Quantity(number, text[len(number) :], span)

    def shape(self, parts: Parts, span: Span) -> ast.Shape:
        return ast.Shape(tuple(int(value) for value in self._word(parts[0], NUMBER_LENGTH, "size").split("x")), span)

    def string(self, parts: Parts, span: Span) -> ast.String:
        quoted = parts[0]
        return ast.String(self._word(Token("", quoted.start + 1, quoted.end - 1), STRING_LENGTH, "text"), span)

    # --- expressions ---

    def name(self, parts: Parts, span: Span) -> ast.Name:
        return ast.Name(self._word(parts[0], NAME_LENGTH, "name"), span)

    def atom(self, parts: Parts, span: Span) -> ast.Expr:
        """`( expr )`: the parentheses are gone."""
        inner: ast.Expr = parts[1]
        return inner

    def list(self, parts: Parts, span: Span) -> ast.List:
        return ast.List(_syntax(parts), span)

    def named(self, parts: Parts, span: Span) -> ast.Argument:
        return ast.Argument(self.ident(parts[0]), parts[2], span)

    def call(self, parts: Parts, span: Span) -> ast.Call:
        given = _syntax(parts[1:])
        arguments = tuple(a if isinstance(a, ast.Argument) else ast.Argument(None, a, a.span) for a in given)
        return ast.Call(parts[0], arguments, span)

    def member(self, parts: Parts, span: Span) -> ast.Member:
        return ast.Member(parts[0], self.ident(parts[2]), span)

    def negate(self, parts: Parts, span: Span) -> ast.Negate:
        return ast.Negate(parts[1], span)

    def _operators(self, parts: Parts) -> tuple[str, ...]:
        return tuple(self.source.text[sign.start : sign.end] for sign in parts[1::2])

    def sum(self, parts: Parts, span: Span) -> ast.Sum:
        return ast.Sum(self._operators(parts), tuple(parts[::2]), span)

    def product(self, parts: Parts, span: Span) -> ast.Product:
        return ast.Product(self._operators(parts), tuple(parts[::2]), span)

    def domain(self, parts: Parts, span: Span) -> ast.Range:
        return ast.Range(parts[0], parts[2], parts[4] if len(parts) > 3 else None, span)

    def pipe(self, parts: Parts, span: Span) -> ast.Chain:
        return ast.Chain(_syntax(parts), span)

    def choice(self, parts: Parts, span: Span) -> ast.Choice:
        return ast.Choice(_syntax(parts), span)

    # --- items ---

    def edition_decl(self, parts: Parts, span: Span) -> ast.Edition:
        return ast.Edition(self.integer(parts[1:], self._span(parts[1])), span)

    def import_decl(self, parts: Parts, span: Span) -> ast.Import:
        names = tuple(self.ident(token) for token in parts[3:] if token.kind == "NAME")
        return ast.Import(self.string(parts[1:], self._span(parts[1])), names, span)

    def param(self, parts: Parts, span: Span) -> ast.Param:
        return ast.Param(self.ident(parts[0]), parts[2] if len(parts) > 1 else None, span)

    def params(self, parts: Parts, span: Span) -> tuple[Any, ...]:
        return _syntax(parts)

    def let_decl(self, parts: Parts, span: Span) -> ast.Let:
        return ast.Let(self.ident(parts[1]), parts[2] if len(parts) == 5 else None, parts[-1], span)

    def layout_decl(self, parts: Parts, span: Span) -> ast.Layout:
        return ast.Layout(self.ident(parts[1]), parts[2] if len(parts) == 4 else None, parts[-1], span)

    def inline_layout(self, parts: Parts, span: Span) -> ast.Layout:
        return ast.Layout(None, None, parts[-1], span)

    def layout_use(self, parts: Parts, span: Span) -> ast.Attribute:
        return self.attr(parts, span)

    def layout_body(self, parts: Parts, span: Span) -> tuple[Any, ...]:
        return _syntax(parts)

    def residual(self, parts: Parts, span: Span) -> ast.Line:
        return ast.Line("residual", parts[1], parts[3] if len(parts) > 2 else None, span)

    def plain(self, parts: Parts, span: Span) -> ast.Line:
        return ast.Line("then", parts[1], None, span)

    def attr(self, parts: Parts, span: Span) -> ast.Attribute:
        return ast.Attribute(self.ident(parts[0]), parts[2], span)

    def node(self, parts: Parts, span: Span) -> ast.Node:
        return ast.Node(self.ident(parts[1]), parts[3], span)

    def head(self, parts: Parts, span: Span) -> ast.Head:
        return ast.Head(self.ident(parts[1]) if len(parts) > 3 else None, parts[-1], span)

    def position(self, parts: Parts, span: Span) -> ast.Position:
        return ast.Position("first" if parts[0].kind == "FIRST" else "last", _syntax(parts), span)

    def default_block(self, parts: Parts, span: Span) -> ast.Default:
        return ast.Default(_syntax(parts), span)

    def stage(self, parts: Parts, span: Span) -> ast.Stage:
        return ast.Stage(self.ident(parts[1]), _syntax(parts), span)

    def _clauses(self, parts: Parts) -> dict[str, Any]:
        """What stands behind `at`, `by` and `because`."""
        return {parts[i].kind: parts[i + 1] for i in range(4, len(parts), 2)}

    def expect(self, parts: Parts, span: Span) -> ast.Expect:
        more = self._clauses(parts)
        by, because = more.get("BY"), more.get("BECAUSE")
        return ast.Expect(
            self.ident(parts[1]),
            parts[3],
            more.get("AT"),
            self.ident(by) if by else None,
            self.string([because], self._span(because)) if because else None,
            span,
        )

    def budget(self, parts: Parts, span: Span) -> ast.Budget:
        more = self._clauses(parts)
        by = more.get("BY")
        operator = self.source.text[parts[2].start : parts[2].end]
        return ast.Budget(self.ident(parts[1]), operator, parts[3], more.get("AT"), self.ident(by) if by else None, span)

    def require(self, parts: Parts, span: Span) -> ast.Require:
        return ast.Require(tuple(parts[1::2]), self._operators(parts[1:]), span)

    def objective(self, parts: Parts, span: Span) -> ast.Objective:
        return ast.Objective("maximize" if parts[0].kind == "MAXIMIZE" else "minimize", self.ident(parts[1]), span)

    def arch_decl(self, parts: Parts, span: Span) -> ast.Arch:
        base = self.ident(parts[3]) if parts[2].kind == "EXTENDS" else None
        return ast.Arch(self.ident(parts[1]), base, _syntax(parts), span)

    def space_decl(self, parts: Parts, span: Span) -> ast.Space:
        return ast.Space(self.ident(parts[1]), self.ident(parts[3]), _syntax(parts), span)

    # --- starts ---

    def start(self, parts: Parts, span: Span) -> tuple[Any, ...]:
        return tuple(parts)

    def override(self, parts: Parts, span: Span) -> tuple[tuple[ast.Ident, ...], ast.Expr]:
        path = tuple(self.ident(token) for token in parts[:-2] if token.kind != "DOT")
        return path, parts[-1]


def _syntax(parts: Parts) -> tuple[Any, ...]:
    """The parts without the tokens between them."""
    return tuple(part for part in parts if not isinstance(part, Token))
