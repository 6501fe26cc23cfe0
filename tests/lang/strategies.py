"""Whole specs as syntax trees, made at random: anything that can be written, sensible or not."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from archdsl.lang import ast
from archdsl.lang.grammar import tables
from archdsl.source.text import Source, Span

NOWHERE = Span(Source("made by a test", ""), 0, 0)

_COMMON = [
    "dim",
    "depth",
    "width",
    "token",
    "channel",
    "norm",
    "conv",
    "s1",
    "s2",
    "heads",
    "kernel",
    "x",
    "x3",
    "e_6",
    "none",
    "true",
]


@cache
def names() -> st.SearchStrategy[str]:
    made = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in tables().words)
    return st.sampled_from(_COMMON) | made


@cache
def idents() -> st.SearchStrategy[ast.Ident]:
    return names().map(lambda name: ast.Ident(name, NOWHERE))


def _integer(value: int, spread: bool) -> ast.Integer:
    return ast.Integer(value, f"{value:_}" if spread else str(value), NOWHERE)


def _real(text: str) -> ast.Real:
    return ast.Real(float(text.replace("_", "")), text, NOWHERE)


@cache
def integers() -> st.SearchStrategy[ast.Integer]:
    return st.builds(_integer, st.integers(0, 200) | st.integers(0, 10**20), st.booleans())


@cache
def strings() -> st.SearchStrategy[ast.String]:
    texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"], exclude_characters='"'), max_size=12)
    return texts.map(lambda text: ast.String(text, NOWHERE))


@cache
def literals() -> st.SearchStrategy[ast.Expr]:
    reals = st.from_regex(r"[0-9]{1,4}\.[0-9]{1,4}|[0-9](\.[0-9]{1,3})?e[+-]?[0-9]{1,2}|1_000\.5", fullmatch=True).map(_real)
    quantities = st.builds(
        lambda number, unit: ast.Quantity(number, unit, NOWHERE),
        st.sampled_from(["13.1", "2", "13_142", "0.5"]),
        st.sampled_from(["M", "G", "%", "ms", "Gb"]),
    )
    shapes = st.lists(st.integers(0, 300), min_size=2, max_size=4).map(lambda values: ast.Shape(tuple(values), NOWHERE))
    return integers() | reals | quantities | shapes | strings()


def _name(name: str) -> ast.Expr:
    return ast.Name(name, NOWHERE)


def _several(inner: st.SearchStrategy[ast.Expr], least: int, most: int = 3) -> st.SearchStrategy[tuple[ast.Expr, ...]]:
    return st.lists(inner, min_size=least, max_size=most).map(tuple)


@st.composite
def _operation(draw: Any, inner: st.SearchStrategy[ast.Expr]) -> ast.Expr:
    operands = draw(_several(inner, 2))
    kind, signs = draw(st.sampled_from([(ast.Sum, "+-"), (ast.Product, "*/")]))
    between = tuple(draw(st.sampled_from(signs)) for _ in operands[1:])
    made: ast.Expr = kind(between, operands, NOWHERE)
    return made


def _compound(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    arguments = st.builds(lambda name, value: ast.Argument(name, value, NOWHERE), st.none() | idents(), inner)
    given = st.lists(arguments, max_size=3).map(tuple)
    return st.one_of(
        st.builds(lambda callee, rest: ast.Call(callee, rest, NOWHERE), names().map(_name), given),
        st.builds(lambda callee, rest: ast.Call(callee, rest, NOWHERE), inner, given),
        st.builds(lambda owner, name: ast.Member(owner, name, NOWHERE), inner, idents()),
        st.builds(lambda operand: ast.Negate(operand, NOWHERE), inner),
        _operation(inner),
        st.builds(lambda a, b, step: ast.Range(a, b, step, NOWHERE), inner, inner, st.none() | inner),
        _several(inner, 2).map(lambda parts: ast.Chain(parts, NOWHERE)),
        _several(inner, 2).map(lambda options: ast.Choice(options, NOWHERE)),
        _several(inner, 0).map(lambda items: ast.List(items, NOWHERE)),
    )


@cache
def expressions(*, leaves: int = 8) -> st.SearchStrategy[ast.Expr]:
    """Any expression, with about `leaves` names and literals at most."""
    return st.recursive(names().map(_name) | literals(), _compound, max_leaves=leaves)


@cache
def params() -> st.SearchStrategy[tuple[ast.Param, ...] | None]:
    one = st.builds(lambda name, default: ast.Param(name, default, NOWHERE), idents(), st.none() | expressions(leaves=2))
    return st.none() | st.lists(one, max_size=2, unique_by=lambda param: param.name.id).map(tuple)


@cache
def lets() -> st.SearchStrategy[ast.Let]:
    return st.builds(lambda name, given, value: ast.Let(name, given, value, NOWHERE), idents(), params(), expressions())


@cache
def attributes() -> st.SearchStrategy[ast.Attribute]:
    keys = idents() | st.just(ast.Ident("layout", NOWHERE))
    return st.builds(lambda name, value: ast.Attribute(name, value, NOWHERE), keys, expressions())


@cache
def _lines() -> st.SearchStrategy[ast.Line]:
    return st.builds(
        lambda body, skip: ast.Line("residual", body, skip, NOWHERE), expressions(leaves=4), st.none() | expressions(leaves=3)
    ) | expressions(leaves=4).map(lambda body: ast.Line("then", body, None, NOWHERE))


@cache
def layouts(*, named: bool) -> st.SearchStrategy[ast.Layout]:
    lines = st.lists(_lines(), max_size=3).map(tuple)
    if named:
        return st.builds(lambda name, given, body: ast.Layout(name, given, body, NOWHERE), idents(), params(), lines)
    return lines.map(lambda body: ast.Layout(None, None, body, NOWHERE))


def _key(item: Any) -> Any:
    """What may stand once in a scope, where names are to be distinct."""
    if isinstance(item, ast.Expect | ast.Budget | ast.Require | ast.Objective):
        return id(item)
    if isinstance(item, ast.Import):
        return id(item)
    if isinstance(item, ast.Position):
        return item.which
    if isinstance(item, ast.Default | ast.Edition):
        return type(item)
    if isinstance(item, ast.Head | ast.Layout) and item.name is None:
        return type(item), None
    return item.name.id


@st.composite
def _items(draw: Any, choices: list[st.SearchStrategy[Any]], most: int, distinct: bool) -> tuple[Any, ...]:
    found: dict[Any, Any] = {}
    for _ in range(draw(st.integers(0, most))):
        item = draw(st.one_of(choices))
        found.setdefault(_key(item) if distinct else len(found), item)
    return tuple(found.values())


@cache
def _block_items(distinct: bool) -> st.SearchStrategy[tuple[Any, ...]]:
    return _items([lets(), attributes(), layouts(named=False)], 3, distinct)


@cache
def _stage_items(distinct: bool) -> st.SearchStrategy[tuple[Any, ...]]:
    position = st.builds(
        lambda which, items: ast.Position(which, items, NOWHERE), st.sampled_from(["first", "last"]), _block_items(distinct)
    )
    return _items([attributes(), attributes(), lets(), layouts(named=False), position], 4, distinct)


@cache
def _model_items(distinct: bool) -> list[st.SearchStrategy[Any]]:
    inside = _stage_items(distinct)
    return [
        attributes(),
        lets(),
        layouts(named=True),
        layouts(named=False),
        st.builds(lambda name, items: ast.Stage(name, items, NOWHERE), idents(), inside),
        inside.map(lambda items: ast.Default(items, NOWHERE)),
        st.builds(lambda name, value: ast.Node(name, value, NOWHERE), idents(), expressions()),
        st.builds(lambda name, value: ast.Head(name, value, NOWHERE), st.none() | idents(), expressions()),
    ]


def arches(*, distinct: bool = False) -> st.SearchStrategy[ast.Arch]:
    expects = st.builds(
        lambda what, value, at, by, because: ast.Expect(what, value, at, by, because, NOWHERE),
        *(idents(), expressions(leaves=3), st.none() | expressions(leaves=2), st.none() | idents(), st.none() | strings()),
    )
    items = _items([*_model_items(distinct), expects], 6, distinct)
    return st.builds(lambda name, base, body: ast.Arch(name, base, body, NOWHERE), idents(), st.none() | idents(), items)


@st.composite
def _requires(draw: Any) -> ast.Require:
    operands = draw(_several(expressions(leaves=3), 2))
    between = tuple(draw(st.sampled_from(["<=", ">=", "==", "!=", "<", ">"])) for _ in operands[1:])
    return ast.Require(operands, between, NOWHERE)


def spaces(*, distinct: bool = False) -> st.SearchStrategy[ast.Space]:
    budgets = st.builds(
        lambda what, sign, value, at, by: ast.Budget(what, sign, value, at, by, NOWHERE),
        *(
            idents(),
            st.sampled_from(["<=", "<", ">="]),
            expressions(leaves=3),
            st.none() | expressions(leaves=2),
            st.none() | idents(),
        ),
    )
    objectives = st.builds(
        lambda direction, name: ast.Objective(direction, name, NOWHERE), st.sampled_from(["maximize", "minimize"]), idents()
    )
    items = _items([*_model_items(distinct), budgets, _requires(), objectives], 6, distinct)
    return st.builds(lambda name, base, body: ast.Space(name, base, body, NOWHERE), idents(), idents(), items)


def files(*, distinct: bool = False) -> st.SearchStrategy[ast.File]:
    """Any file. `distinct`: no name is given twice in one scope, and there is one edition, at the start."""
    editions = integers().map(lambda number: ast.Edition(number, NOWHERE))
    imports = st.builds(
        lambda path, taken: ast.Import(path, tuple(taken), NOWHERE), strings(), st.lists(idents(), min_size=1, max_size=3)
    )
    others = [imports, lets(), layouts(named=True), arches(distinct=distinct), spaces(distinct=distinct)]
    if distinct:
        items = st.builds(lambda first, rest: (*first, *rest), st.lists(editions, max_size=1), _items(others, 4, distinct))
    else:
        items = _items([*others, editions], 4, distinct)
    return items.map(lambda found: ast.File(found, NOWHERE.source))
