from __future__ import annotations

import pytest

from archdsl.lang import ast
from tests.lang.yaml_helpers import SAMPLES, from_text, from_yaml


@pytest.mark.parametrize("name", ["biformer_t", "everything"])
def test_sample_says_the_same_in_both_forms(name: str) -> None:
    text, twin = ((SAMPLES / f"{name}.{form}").read_text() for form in ("arch", "yaml"))
    assert from_yaml(twin) == from_text(text)


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("", ""),
        ("# nothing\n", ""),
        ("---\narch: a\n...\n", "arch a {}"),
        ("arch: a\nx: no", "arch a { x = no }"),
        ("arch: a\nx: 010", "arch a { x = 010 }"),
        ("arch: a\nx: 1e-6", "arch a { x = 1e-6 }"),
        ("arch: a\nx: 13_1", "arch a { x = 13_1 }"),
        ("arch: a\nx: ~a", None),
        ("arch: a\nx: 1:30", None),
        ("arch: a\nx: |\n  b -> c # why\n  -> d\n", "arch a { x = b -> c -> d }"),
        ("arch: a\nx: >-\n  b\n  -> c\ny: 2", "arch a { x = b -> c y = 2 }"),
        ("arch: a\nx: b\n  -> c\n\n  -> d", "arch a { x = b -> c -> d }"),
        ('arch: a\nx: "b\n  -> c"', "arch a { x = b -> c }"),
        ('arch: a\nx: \'"it""s"\'', None),
        ("arch: a\nx: '\"it''s\"'", 'arch a { x = "it\'s" }'),
        ('arch: a\nx: "f(\\"b\\", \\u0063)"', 'arch a { x = f("b", c) }'),
        ('arch: a\nx: "f(b,\\\n   c)"', "arch a { x = f(b, c) }"),
        ("arch: a\nx: [1, [2x2, f(b = 1, c)]]", "arch a { x = [1, [2x2, f(b = 1, c)]] }"),
        ("arch: a\nx: '[1]'", "arch a { x = [1] }"),
        ("arch: a\nstages: 3", "arch a { stages = 3 }"),
        ("arch: a\nitems: 3", "arch a { items = 3 }"),
        ("arch: a\nitems: {x: 1}", "arch a { x = 1 }"),
        ("arch: a\nitems: [{x: 1}, {x: 2}]", "arch a { x = 1 x = 2 }"),
        ("arch: a\nlet: [{b: 1}, {b: 2}]", "arch a { let b = 1 let b = 2 }"),
        ("arch: a\nlet: {f(b): b, 'g( b, c = 1 ,)': b, h(): 1}", "arch a { let f(b) = b let g(b, c = 1) = b let h() = 1 }"),
        ("arch: a\nlet: {'f(b = g(1, \"x, y\"), c)': b}", 'arch a { let f(b = g(1, "x, y"), c) = b }'),
        ("arch: a\nlayout: []", "arch a { layout {} }"),
        ("arch: a\nstages: {s: {}}\ndefault: {}", "arch a { stage s {} default {} }"),
        ("arch: a\nstages: {s: [{let: {b: 1}}, {c: b}, {let: {d: 1}}]}", "arch a { stage s { let b = 1 c = b let d = 1 } }"),
        ("let: {b: 1}\nlayouts: {l(c): [then: c]}", "let b = 1 layout l(c) { then c }"),
        ("import: {x: b}\narch: a\nedition: 1", 'import "x" (b) arch a {} edition 1'),
        ("x: 1\narch: a\ny: 2", "arch a { x = 1 y = 2 }"),
        ("space: s\nover: a\nbudget: {p: '== 3'}", "space s over a { budget p == 3 }"),
        ("space: s\nover: a\nrequire: (a | b) -1 <= c(d -> e)", "space s over a { require (a | b) - 1 <= c(d -> e) }"),
        ("arch: a\nexpect: {p: {value: 1, because: ''}}", 'arch a { expect p = 1 because "" }'),
        ("arch: a\nexpect: {p: {value: 1, because: it's so}}", 'arch a { expect p = 1 because "it\'s so" }'),
        ("{arch: a, x: 1}", "arch a { x = 1 }"),
        ("\ufeffarch: a\nx: 1", "arch a { x = 1 }"),
        ("arch: a\r\nx: b\r\n  -> c\r\ny: 1\r\n", "arch a { x = b -> c y = 1 }"),
    ],
)
def test_yaml_means(yaml: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(Exception, match="error"):
            from_yaml(yaml)
    else:
        assert from_yaml(yaml) == from_text(text)


def test_places_are_those_of_the_yaml_file() -> None:
    text = (SAMPLES / "everything.yaml").read_text()
    file = from_yaml(text)
    for node in ast.walk(file):
        if isinstance(node, ast.Name | ast.Ident):
            assert node.span.text == node.id
        elif isinstance(node, ast.Integer | ast.Real):
            assert node.span.text == node.text
    stage = next(node for node in ast.walk(file) if isinstance(node, ast.Stage))
    assert stage.span.text == "s1: {depth: 2, let: {kernel: 7x7}}"


def test_places_behind_escapes() -> None:
    file = from_yaml('arch: a\nx: \'f("it\'\'s", bcd)\'\ny: "\\"q\\" -> tail"')
    names = [node.span.text for node in ast.walk(file) if isinstance(node, ast.Name)]
    assert names == ["f", "bcd", "tail"]
    texts = [(node.value, node.span.text) for node in ast.walk(file) if isinstance(node, ast.String)]
    assert texts == [("it's", "\"it''s\""), ("q", '\\"q\\"')]


def test_comments_are_found_and_hash_signs_in_texts_are_not() -> None:
    text = """# alone
arch: a # behind
x: 'f("# no")'  # yes
z: >- # header
  b # in the block
  -> c
l: [f(a),  # in the list
  b]
"""
    found = [(comment.text, comment.alone) for comment in from_yaml(text).comments]
    assert found == [
        ("# alone", True),
        ("# behind", False),
        ("# yes", False),
        ("# header", False),
        ("# in the block", False),
        ("# in the list", False),
    ]


def test_the_line_for_editors_is_no_comment() -> None:
    assert from_yaml("# yaml-language-server: $schema=x\narch: a").comments == ()
