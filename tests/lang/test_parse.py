"""The parser: trees, places, and limits kept within time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.lang import ast
from archdsl.lang.fmt import format_file
from archdsl.lang.parse import parse_expression, parse_file, parse_override
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.limits import BRACKETS, EXPRESSION_DEPTH, NAME_LENGTH, NUMBER_LENGTH, STRING_LENGTH, TOKENS
from archdsl.source.text import Source
from tests.lang.samples import SAMPLES, expression, file
from tests.lang.strategies import files
from tests.lang.test_fmt import QUICK

_IN_A_STAGE = (ast.Position,)
_IN_A_SPACE = (ast.Budget, ast.Require, ast.Objective)
_IN_AN_ARCH = (ast.Stage, ast.Default, ast.Node, ast.Head, ast.Expect, ast.Attribute)


def _again(node: Any) -> Any:
    """What the text of a node's place says, read by itself."""
    text = node.span.text
    if isinstance(node, ast.Ident):
        return ast.Ident(text, node.span)
    if isinstance(node, ast.Argument):
        call = expression(f"f({text})")
        assert isinstance(call, ast.Call)
        return call.arguments[0]
    if isinstance(node, ast.Param):
        let = file(f"let f({text}) = 0").items[0]
        assert isinstance(let, ast.Let) and let.params
        return let.params[0]
    if isinstance(node, ast.Line):
        layout = file(f"layout f {{ {text} }}").items[0]
        assert isinstance(layout, ast.Layout)
        return layout.lines[0]
    if isinstance(node, _IN_A_STAGE) or (isinstance(node, ast.Layout) and node.name is None):
        arch: Any = file(f"arch a {{ stage s {{ {text} }} }}").items[0]
        return arch.items[0].items[0]
    if isinstance(node, _IN_A_SPACE):
        space: Any = file(f"space a over b {{ {text} }}").items[0]
        return space.items[0]
    if isinstance(node, _IN_AN_ARCH):
        arch = file(f"arch a {{ {text} }}").items[0]
        return arch.items[0]
    if isinstance(node, ast.Edition | ast.Import | ast.Let | ast.Layout | ast.Arch | ast.Space):
        return file(text).items[0]
    return expression(text)


def _check_places(tree: ast.File) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.File):
            continue
        assert _again(node) == node
        inside = [child.span for child in ast.children(node)]
        assert all(node.span.start <= span.start <= span.end <= node.span.end for span in inside)
        assert [span.start for span in inside] == sorted(span.start for span in inside)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_places_in_samples(name: str) -> None:
    _check_places(file(SAMPLES[name]))


@QUICK
@given(files())
def test_places(tree: ast.File) -> None:
    _check_places(file(format_file(tree)))


def test_places_leave_parentheses_out() -> None:
    product = expression(" ( a + b ) * c ")
    assert isinstance(product, ast.Product)
    assert product.span.text == "( a + b ) * c"
    assert product.operands[0].span.text == "a + b"


def test_comments() -> None:
    tree = file("# one\nlet a = 1 # two \r\n\t# three")
    assert [(comment.text, comment.alone) for comment in tree.comments] == [
        ("# one", True),
        ("# two", False),
        ("# three", True),
    ]
    assert [comment.span.text for comment in tree.comments] == ["# one", "# two", "# three"]


def test_long_sums_are_flat() -> None:
    total = expression("+".join(["1"] * 5000))
    assert isinstance(total, ast.Sum)
    assert len(total.operands) == 5000
    assert expression("a - b - c") != expression("a - (b - c)")
    assert expression("-a * b") == expression("(-a) * b")
    assert expression("1..2 | a -> b") == expression("(1..2) | (a -> b)")


def test_expression_in_a_slice() -> None:
    source = Source("a.yaml", 'token: "f(1,\n  2)"  # no')
    call = parse_expression(source, 8, 17, Report())
    assert isinstance(call, ast.Call)
    assert call.arguments[1].span.text == "2"
    report = Report()
    with pytest.raises(Reported):
        parse_expression(source, 8, 16, report)
    assert [found.slug for found in report.errors] == ["unclosed-bracket"]


@pytest.mark.parametrize(
    ("text", "path"), [("depth=9", "depth"), ("s3.last.depth = 2..4", "s3.last.depth"), ("layout = x", "layout")]
)
def test_override(text: str, path: str) -> None:
    names, _ = parse_override(Source("--set", text), Report())
    assert ".".join(name.id for name in names) == path


@pytest.mark.parametrize("text", ["", "s3.depth", "s3.depth =", "s3. = 3", "s3.depth = 3 4", "= 3", "let x = 3"])
def test_no_override(text: str) -> None:
    report = Report()
    with pytest.raises(Reported):
        parse_override(Source("--set", text), report)
    assert len(report.errors) == 1


def limit(text: str) -> str:
    """The one thing said about a text past a limit."""
    began = time.process_time()
    report = Report()
    assert parse_file(Source("big", text), report) is None
    # a guard against hanging, wide enough for any machine
    assert time.process_time() - began < 15
    (found,) = report.errors
    assert found.slug == "limit-exceeded"
    return found.message


@pytest.mark.parametrize("bracket", ["(", "[", "{", "f(", "[(", "({["])
def test_ten_thousand_brackets(bracket: str) -> None:
    assert str(BRACKETS) in limit("let a = " + bracket * 10_000)


def test_deep_expressions() -> None:
    assert str(EXPRESSION_DEPTH) in limit("let a = " + "-" * 100 + "1")
    assert str(EXPRESSION_DEPTH) in limit("let a = b" + ".c" * 100)
    assert str(EXPRESSION_DEPTH) in limit("let a = b" + "()" * 10_000)
    assert expression("-" * EXPRESSION_DEPTH + "1")
    assert expression("(" * BRACKETS + "1" + ")" * BRACKETS) == expression("1")


def test_long_literals() -> None:
    for text in ("9" * 5000, "9" * 5000 + "M", "1." + "0" * 5000, "1x" + "9" * 5000, "1e" + "9" * 5000):
        assert str(NUMBER_LENGTH) in limit(f"let a = {text}")
    assert "1.8e308" in limit("let a = 1e999")
    assert f"{NAME_LENGTH}" in limit(f"let {'a' * 5000} = 1")
    assert f"{NAME_LENGTH}" in limit(f"let a = {'a' * 5000}")
    assert f"{STRING_LENGTH:_}" in limit(f'let a = "{"a" * 5000}"')


@pytest.mark.parametrize("unit", ["let a = 1\n", "1+", "# c\n", "a ", "{ } ", "1x1x1x", "a = ", '"', "-"])
def test_a_megabyte(unit: str) -> None:
    report = Report()
    began = time.process_time()
    assert parse_file(Source("big", unit * (2**20 // len(unit))), report) is None or unit == "# c\n"
    # a guard against hanging, wide enough for any machine
    assert time.process_time() - began < 15
    assert report.errors


def test_nearly_too_many_tokens() -> None:
    began = time.process_time()
    assert len(file("let a = 1\n" * (TOKENS // 4)).items) == TOKENS // 4
    report = Report()
    assert parse_file(Source("big", "let a 1\n" * (TOKENS // 3)), report) is None
    assert len(report.errors) == 20
    # a guard against hanging, wide enough for any machine
    assert time.process_time() - began < 15


@QUICK
@given(st.text(alphabet=st.sampled_from("let a=1{}()[]\n#\"'.,x|-+*/<>é\u202e\x00"), max_size=60))
def test_any_characters(text: str) -> None:
    report = Report()
    tree = parse_file(Source("any", text), report)
    assert (tree is None) == bool(report.errors)
    assert all(found.span is not None for found in report.errors)
