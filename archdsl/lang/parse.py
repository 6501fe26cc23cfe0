"""From text to syntax."""

from __future__ import annotations

from typing import Any

from archdsl.lang import ast
from archdsl.lang.build import DEEPER, Action, Builder, Parts
from archdsl.lang.grammar import tables
from archdsl.lang.tokens import END, Token, scan
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.limits import EXPRESSION_DEPTH
from archdsl.source.text import Source, Span


def parse_file(source: Source, report: Report) -> ast.File | None:
    """The syntax of a whole file, or None where something was reported."""
    try:
        found = scan(source, 0, len(source.text), report)
        items = _parse("start", source, found.tokens, report)
    except Reported:
        return None
    return ast.File(items, source, found.comments)


def parse_expression(source: Source, start: int, end: int, report: Report) -> ast.Expr:
    """The expression that the characters `start` to `end` of a source are; raises `Reported` where they are none."""
    expression: ast.Expr = _parse("expr", source, scan(source, start, end, report).tokens, report)
    return expression


def parse_override(source: Source, report: Report) -> tuple[tuple[ast.Ident, ...], ast.Expr]:
    """The path and the value of `s3.depth = 9`; raises `Reported` where the source is no such text."""
    override: tuple[tuple[ast.Ident, ...], ast.Expr] = _parse(
        "override", source, scan(source, 0, len(source.text), report).tokens, report
    )
    return override


def _parse(start: str, source: Source, tokens: list[Token], report: Report) -> Any:
    """Run the automaton; each value on the stack comes with the text it covers and the depth of its expression."""
    table = tables()
    rows, accepting = table.rows, table.ends[start]
    rules = _actions(Builder(source, report))
    states = [table.starts[start]]
    values: list[Any] = []
    places: list[tuple[int, int, int]] = []
    for token in tokens:
        kind = token.kind
        while True:
            action = rows[states[-1]].get(kind)
            if action is None:
                # the explanations are long and rarely needed
                from archdsl.lang.recover import diagnose

                diagnose(start, source, tokens, report)
                raise Reported
            if action >= 0:
                states.append(action)
                values.append(token)
                places.append((token.start, token.end, 0))
                break
            origin, size, make, deeper = rules[~action]
            if size == 0:
                place = (token.start, token.start, 0)
                parts = []
            elif size == 1:
                place = places.pop()
                parts = [values.pop()]
            else:
                covered = places[-size:]
                parts = values[-size:]
                del places[-size:], values[-size:]
                place = (covered[0][0], covered[-1][1], max([depth for _, _, depth in covered]) + deeper)
                if place[2] > EXPRESSION_DEPTH:
                    span = Span(source, place[0], place[1])
                    message = f"an expression is at most {EXPRESSION_DEPTH} levels deep"
                    report.fail("limit-exceeded", message, span.head(), "one level more")
            del states[len(states) - size :]
            if make is not None:
                values.append(make(_spread(parts), Span(source, place[0], place[1])))
            elif size == 1:
                values.append(parts[0])
            else:
                values.append(_spread(parts))
            places.append(place)
            states.append(rows[states[-1]][origin])
            if kind == END and states[-1] == accepting:
                return values[-1]
    raise AssertionError("the end of the text was not accepted")


def _actions(builder: Builder) -> list[tuple[str, int, Action | None, bool]]:
    """For each rule its non-terminal, its size, what makes its syntax, and whether that is a level deeper.

    A rule without a method hands its one part on, or several as a list, to be spread where it is used.
    """
    return [
        (origin, size, None if not name or name.startswith("_") else getattr(builder, name), name in DEEPER)
        for origin, size, name in tables().rules
    ]


def _spread(parts: Parts) -> Parts:
    """The parts with the lists among them laid out; a leading list is extended in place, so that long ones grow evenly."""
    if list not in map(type, parts):
        return parts
    first = parts[0]
    spread: Parts = first if type(first) is list else [first]
    for part in parts[1:]:
        if type(part) is list:
            spread.extend(part)
        else:
            spread.append(part)
    return spread
