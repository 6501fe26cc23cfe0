"""The formatter: canonical, stable, and keeping what was said, comments too."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdsl.lang import ast
from archdsl.lang.fmt import format_expression, format_file
from archdsl.lang.tokens import scan
from archdsl.source.diagnostic import Report
from archdsl.source.text import Source
from tests.lang.samples import SAMPLES, expression, file
from tests.lang.strategies import expressions, files

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def _items(tree: ast.File) -> tuple[object, ...]:
    """The items with neighbouring imports in order: the formatter sorts them."""
    done: list[object] = []
    for imports, run in groupby(tree.items, key=lambda item: isinstance(item, ast.Import)):
        found = list(run)
        done += sorted(found, key=repr) if imports else found
    return tuple(done)


def _comments(tree: ast.File) -> Counter[str]:
    return Counter(comment.text for comment in tree.comments)


def _check(tree: ast.File) -> str:
    """The three promises of the formatter."""
    text = format_file(tree)
    again = file(text)
    assert _items(again) == _items(tree), text
    assert _comments(again) == _comments(tree)
    assert format_file(again) == text
    return text


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_samples(name: str) -> None:
    _check(file(SAMPLES[name]))


@QUICK
@given(expressions(leaves=12))
def test_any_expression(expr: ast.Expr) -> None:
    text = format_expression(expr)
    assert expression(text) == expr
    assert format_expression(expression(text)) == text


@QUICK
@given(files())
def test_any_file_without_places(tree: ast.File) -> None:
    _check(tree)


@QUICK
@given(st.data(), files())
def test_any_text_with_comments_anywhere(data: st.DataObject, tree: ast.File) -> None:
    text = format_file(tree)
    source = Source("made by a test", text)
    tokens = scan(source, 0, len(text), Report()).tokens
    between = st.sampled_from([" ", " ", " ", "\n", "\n\n", " # one\n", "\n# two\n", "\n\n# three\n\n", " # four\n# five\n"])
    loose = "".join(data.draw(between) + text[token.start : token.end] for token in tokens) + data.draw(between)
    _check(file(loose))


@QUICK
@given(st.data(), st.sampled_from(sorted(SAMPLES)))
def test_samples_with_comments_anywhere(data: st.DataObject, name: str) -> None:
    source = Source(name, SAMPLES[name])
    tokens = scan(source, 0, len(source.text), Report()).tokens
    places = data.draw(st.sets(st.integers(0, len(tokens) - 1), max_size=4))
    text, at = "", 0
    for index in sorted(places):
        text += source.text[at : tokens[index].start] + data.draw(st.sampled_from([" # here\n", "\n# there\n", "\n\n"]))
        at = tokens[index].start
    _check(file(text + source.text[at:]))


def formatted(text: str) -> str:
    return _check(file(text))


def test_neighbours_align() -> None:
    assert formatted(
        "arch a {\ndim = 3\nlet b=1   # one\nlet long = 2 # two\nstage s1 { dim = 8, depth=10,token = f(k = 1) }\n"
        "stage long { dim = 16, depth = 2, token = f(k = 16)}\nstage s3 { dim = 128 }\n}"
    ) == (
        "arch a {\n"
        "  dim = 3\n"
        "  let b    = 1  # one\n"
        "  let long = 2  # two\n"
        "  stage s1   { dim =   8, depth = 10, token = f(k =  1) }\n"
        "  stage long { dim =  16, depth =  2, token = f(k = 16) }\n"
        "  stage s3   { dim = 128 }\n"
        "}\n"
    )


def test_clauses_align() -> None:
    assert formatted(
        "arch a {\nexpect params = 13_142_760\nexpect flops = 2_228_044 at 3x3\nexpect flops = 2.2G at 3x3 by fvcore\n}"
    ) == (
        "arch a {\n"
        "  expect params = 13_142_760\n"
        "  expect flops  = 2_228_044 at 3x3\n"
        "  expect flops  = 2.2G      at 3x3 by fvcore\n"
        "}\n"
    )


def test_blocks_stay_as_written_where_they_fit() -> None:
    assert formatted("arch a{stage s{dim=3}}") == "arch a { stage s { dim = 3 } }\n"
    assert formatted("arch a{\nstage s{dim=3,depth=2}}") == "arch a {\n  stage s { dim = 3, depth = 2 }\n}\n"
    assert formatted("arch a{stage s{\ndim=3,depth=2}}") == "arch a {\n  stage s {\n    dim   = 3\n    depth = 2\n  }\n}\n"
    assert formatted("arch a {\n\n}") == "arch a {}\n"
    wide = "stage s { " + ", ".join(f"field_{i} = {i}" for i in range(10)) + " }"
    assert formatted(f"arch a {{\n{wide}\n}}").count("\n") == 14


def test_long_chains_break_before_the_arrow() -> None:
    assert formatted("arch a {\nstem = " + " -> ".join(["conv(3x3, stride = 2)"] * 5) + "\n}") == (
        "arch a {\n"
        "  stem = conv(3x3, stride = 2) -> conv(3x3, stride = 2) -> conv(3x3, stride = 2)\n"
        "      -> conv(3x3, stride = 2) -> conv(3x3, stride = 2)\n"
        "}\n"
    )


def test_breaks_of_a_long_chain_are_kept() -> None:
    text = (
        "stem_of_it = conv(3x3, out = width / 2, stride = 2) -> batchnorm -> gelu\n"
        "          -> conv(3x3, out = width, stride = 2) -> batchnorm\n"
    )
    assert formatted(f"let {text}") == f"let {text.replace('          ->', '              ->')}"


def test_parentheses() -> None:
    for text, canonical in {
        "((a))": "a",
        "(a + b) + c": "(a + b) + c",
        "a + b -> c": "(a + b) -> c",
        "a + (b -> c)": "a + (b -> c)",
        "(a * b) + c": "a * b + c",
        "-(-a)": "--a",
        "f((a | b), [(c)])": "f(a | b, [c])",
        "(1)..(2) step (a + b)": "1..2 step a + b",
    }.items():
        assert format_expression(expression(text)) == canonical


def test_imports_are_sorted_with_their_comments() -> None:
    text = '# head\n\n# about b\nimport "b" (x) # b\nimport "a" (y, x)\n\nimport "A" (z)\narch c {}\n'
    assert formatted(text) == '# head\n\nimport "a" (y, x)\n# about b\nimport "b" (x)  # b\n\nimport "A" (z)\narch c {}\n'


def test_comments_stay_in_their_place() -> None:
    text = (
        "# above\n"
        "arch a {  # behind the brace\n"
        "  # first\n"
        "  dim = 3\n"
        "\n"
        "  # second\n"
        "  token = f(  # inside\n"
        "            a,\n"
        "            # alone\n"
        "            b)  # behind\n"
        "  # last\n"
        "}\n"
        "# below\n"
    )
    assert formatted(text) == text


def test_numbers_are_printed_as_written() -> None:
    assert format_expression(expression("f(1_000, 1e-6, 0.10, 13.10M, 5%)")) == "f(1_000, 1e-6, 0.10, 13.10M, 5%)"
