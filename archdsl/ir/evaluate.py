"""Evaluation: what an expression means at a place, with every name looked up where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from archdsl.ir import arithmetic, calls, complete, lookup, values
from archdsl.ir.model import Model, Place
from archdsl.ir.part import Chain, Origin
from archdsl.ir.values import Built, Val, is_number
from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.record import dataclass, field, replace
from archdsl.source.text import Source, Span

S = TypeVar("S")
T = TypeVar("T")
DomainKey = tuple[Source, int, int]


def domain_key(domain: ast.Choice | ast.Range) -> DomainKey:
    """What identifies a written domain: its place in the text."""
    return domain.span.source, domain.span.start, domain.span.end


@dataclass(slots=True)
class Context:
    """What all evaluations for one arch share.

    `point` has what is drawn for each written domain: an option's index for a choice, the value for a range.
    """

    model: Model
    report: Report
    point: Mapping[DomainKey, int | Fraction] | None = None
    work: Work = field(default_factory=Work)
    depth: int = 0
    too_deep: bool = False
    used: set[Span] = field(default_factory=set)
    drawn: set[DomainKey] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    told: set[tuple[str, int]] = field(default_factory=set)
    unknown: set[Span] = field(default_factory=set)
    circular: set[tuple[str, int]] = field(default_factory=set)


@dataclass(slots=True)
class Env:
    """A place from which names are looked up: `places` nearest first, then the files, the values, the components.

    `block` is the index of the block where there is one; `given` has attributes that come from elsewhere (the `dim` of
    the first stage in the stem; None if it is wrong, which was reported); `cycle` collects how often the blocks repeat.
    """

    context: Context
    places: tuple[Place, ...]
    where: str
    place_span: Span
    block: int | None = None
    drop_rate: float = 0.0
    given: Mapping[str, Val | None] = field(default_factory=dict)
    params: Mapping[str, Val] = field(default_factory=dict)
    memo: dict[tuple[str, int], Val | None] = field(default_factory=dict)
    active: list[tuple[str, int, Span]] = field(default_factory=list)
    cycle: list[int] = field(default_factory=lambda: [1])

    @property
    def report(self) -> Report:
        return self.context.report

    def evaluate(self, expr: ast.Expr) -> Val:
        """The value of an expression here."""
        context = self.context
        context.work.left -= 1
        if context.work.left < 0:
            context.work.refuse(expr.span, self.report)
        context.depth += 1
        try:
            if context.depth > limits.EVALUATION_DEPTH:
                if context.too_deep:
                    raise Reported
                context.too_deep = True
                self.report.fail(
                    "limit-exceeded",
                    f"values may need each other at most {limits.EVALUATION_DEPTH} levels deep",
                    expr.span.head(),
                    "deeper than that",
                )
            return self._evaluate(expr)
        finally:
            context.depth -= 1

    def _evaluate(self, expr: ast.Expr) -> Val:
        origin = Origin(expr.span)
        match expr:
            case ast.Name():
                return lookup.read_name(self, expr)
            case ast.Integer():
                return Val(values.checked_number(expr.value, expr.span, self.report), origin)
            case ast.Real():
                return Val(arithmetic.real(self, expr), origin)
            case ast.Shape():
                return Val(expr.values, origin)
            case ast.String():
                return Val(expr.value, origin)
            case ast.Quantity():
                return Val(expr, origin)
            case ast.List():
                return Val([self.evaluate(item) for item in expr.items], origin)
            case ast.Call():
                return calls.call(self, expr)
            case ast.Member():
                return lookup.member(self, expr)
            case ast.Negate():
                operand = self.evaluate(expr.operand)
                if is_number(operand.value):
                    return Val(-operand.value, Origin(expr.span, operand.origin.hops))
                return arithmetic.scaled(self, operand, -1.0, expr.span)
            case ast.Sum():
                return arithmetic.add(self, expr)
            case ast.Product():
                return arithmetic.multiply(self, expr)
            case ast.Chain():
                parts = self.each(self.part, expr.parts)
                return complete.composed(self, Chain(tuple(b.part for b in parts), expr.span), parts, expr.span)
            case ast.Choice() | ast.Range():
                return self._domain(expr)

    def _domain(self, expr: ast.Choice | ast.Range) -> Val:
        drawn = self._drawn(expr)
        if isinstance(expr, ast.Choice):
            return self.evaluate(expr.options[int(drawn)])
        return Val(drawn, Origin(expr.span))

    def chosen(self, choice: ast.Choice) -> ast.Expr:
        """The option that is drawn for a choice."""
        return choice.options[int(self._drawn(choice))]

    def _drawn(self, expr: ast.Choice | ast.Range) -> int | Fraction:
        point, key = self.context.point, domain_key(expr)
        if point is None:
            self.report.fail(
                "domain-outside-space",
                "alternatives and ranges belong in a `space`",
                expr.span,
                "an arch has one value here",
                help="choose one, or write a `space NAME over ARCH { ... }` with the alternatives",
            )
        if key not in point:
            self.report.fail("dynamic-domain", "this domain is not one of the space's decisions", expr.span)
        self.context.drawn.add(key)
        return point[key]

    def closed(self) -> Env:
        """The same place without the parameters of the let around: those are seen in its own text only."""
        return replace(self, params={}) if self.params else self

    def with_params(self, params: Mapping[str, Val]) -> Env:
        """The same place with the parameters of a let or layout."""
        return replace(self, params=params)

    def bound(self, name: ast.Name) -> Val | None:
        """The value a name has here; None where nothing binds it."""
        return lookup.bound(self, name)

    def each(self, work: Callable[[S], T], inputs: Sequence[S]) -> list[T]:
        """What work makes of each input; all are tried, so that mistakes in several are told together."""
        found: list[T] = []
        for tried, entry in enumerate(inputs):
            if tried - len(found) >= limits.ARCH_ERRORS:
                break
            with self.report.guard():
                found.append(work(entry))
        if len(found) < len(inputs):
            raise Reported
        return found

    def part(self, expr: ast.Expr) -> Built:
        """The part that an expression is."""
        return complete.to_part(self, self.evaluate(expr), expr.span)

    def to_part(self, val: Val, span: Span) -> Built:
        """A value as a part, its fields complete."""
        return complete.to_part(self, val, span)
