from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdsl.lang import ast
from archdsl.lang.fmt import format_file
from archdsl.lang.text_write import write_text
from archdsl.lang.yaml_write import write_yaml
from archdsl.resources import data_path
from tests.lang.strategies import files
from tests.lang.yaml_helpers import SAMPLES, from_text, from_yaml

SPECS = sorted([*data_path("specs").glob("*.arch"), *data_path("search").glob("*/*.arch"), *SAMPLES.glob("*.arch")])


@given(files())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_yaml_says_the_same(file: ast.File) -> None:
    text = write_yaml(file)
    assert from_yaml(text) == file
    assert write_yaml(from_yaml(text)) == text


@given(files())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_text_says_the_same(file: ast.File) -> None:
    assert from_text(write_text(from_yaml(write_yaml(file)))) == file


def leaves(node: ast.Syntax) -> list[ast.Syntax]:
    """The items that hold no items."""
    if not isinstance(node, ast.File | ast.Arch | ast.Space | ast.Stage | ast.Default | ast.Position | ast.Layout):
        return [node]
    inner = node.lines if isinstance(node, ast.Layout) else node.items
    return [leaf for item in inner for leaf in leaves(item)]


def keepable(file: ast.File) -> list[str]:
    """The comments that stand in no value."""
    spans = [leaf.span for leaf in leaves(file) if not isinstance(leaf, ast.File)]
    return sorted(c.text for c in file.comments if not any(s.start <= c.span.start < s.end for s in spans))


@given(files(), st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_comment_is_lost_but_those_inside_a_value(file: ast.File, data: st.DataObject) -> None:
    lines = format_file(file).splitlines()
    for number in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, len(lines)))
        if "#" not in "".join(lines[index : index + 1]):
            if index < len(lines) and data.draw(st.booleans()):
                lines[index] += f"  # {number}"
            else:
                lines.insert(index, f"# {number}")
    commented = from_text("\n".join(lines))
    yaml = from_yaml(write_yaml(commented))
    assert yaml == commented
    assert sorted(c.text for c in yaml.comments) == keepable(commented)
    text = from_text(write_text(yaml))
    assert text == commented
    assert sorted(c.text for c in text.comments) == keepable(yaml)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_spec_keeps_its_meaning_and_its_comments(path: Path) -> None:
    file = from_text(path.read_text())
    text = write_yaml(file)
    again = from_yaml(text)
    assert again == file
    assert sorted(c.text for c in again.comments) == sorted(c.text for c in file.comments)
    back = from_text(write_text(again))
    assert back == file
    assert sorted(c.text for c in back.comments) == sorted(c.text for c in file.comments)
    assert "items:" not in text or path.stem == "everything", "a map in pieces, where a plain one would do"


def test_plain_form_of_a_plain_spec() -> None:
    assert write_yaml(from_text((SAMPLES / "biformer_t.arch").read_text())) == (SAMPLES / "biformer_t.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "yaml"),
    [
        ("", ""),
        ("# alone", "# alone\n"),
        ("let a = 1", "let:\n  a: 1\n"),
        ("arch a {}", "arch: a\n"),
        ("arch a { x = [1, 2] }", 'arch: a\nx: "[1, 2]"\n'),
        ('arch a { x = "b" }', "arch: a\nx: '\"b\"'\n"),
        ('arch a { x = f("it\'s: b") }', "arch: a\nx: 'f(\"it''s: b\")'\n"),
        ('arch a { x = f("a #b") }', "arch: a\nx: 'f(\"a #b\")'\n"),
        ('arch a { x = f("\ufffe") }', 'arch: a\nx: "f(\\"\\uFFFE\\")"\n'),
        ("arch a { x = -1 }", "arch: a\nx: -1\n"),
        ("arch a { stage s { x = f(b, c) } }", 'arch: a\nstages:\n  s: {x: "f(b, c)"}\n'),
        ("arch a { x = 1 x = 2 }", "arch: a\nx: 1\nitems:\n  x: 2\n"),
        ("arch a { items = 1 }", "arch: a\nitems:\n  items: 1\n"),
        ("arch a { stages = 1 stage s {} }", "arch: a\nstages: 1\nitems:\n  stages:\n    s: {}\n"),
        ("space s over a { budget p >= 1M }", 'space: s\nover: a\nbudget:\n  p: ">= 1M"\n'),
        ("space s over a { require (b | c) < d }", "space: s\nover: a\nrequire: (b | c) < d\n"),
        ('import "@x" (b)', 'import:\n  "@x": b\n'),
        ("arch a {} arch b {}", "- arch: a\n- arch: b\n"),
        ("let x = 1 arch a {} let y = 2", "- let:\n    x: 1\n- arch: a\n- let:\n    y: 2\n"),
    ],
)
def test_form(text: str, yaml: str) -> None:
    file = from_text(text)
    assert write_yaml(file) == yaml
    assert from_yaml(yaml) == file


def test_long_values_are_cut_where_the_language_allows() -> None:
    chain = " -> ".join(f"conv(3x3, out = {number}00, stride = 2)" for number in range(1, 9))
    choice = " | ".join(f"routing(topk = {number}, regions = 7x7)" for number in range(1, 9))
    file = from_text(f"arch a {{ x = {chain} y = {choice} stage s {{ z = {chain} }} }}")
    text = write_yaml(file)
    assert max(map(len, text.splitlines())) <= 100
    assert from_yaml(text) == file


def test_a_key_may_be_long() -> None:
    defaults = ", ".join(f"{'p' * 20}{number} = routing(topk = 4)" for number in range(60))
    file = from_text(f"arch a {{ let f({defaults}) = 1 }}")
    assert from_yaml(write_yaml(file)) == file


COMMENTED = """# file head

# about a
arch a { # opened
  # top
  x = 1 # x
  y = f(
    # inside a value
    2) # y
  expect params = 1 # e1
  # above e2
  expect params = 2
  stage s1 { # open s1
    # in s1
    depth = 1 # d
    # end of s1
  } # behind s1
  stage s2 { depth = 2 } # behind s2
  stage s3 { depth = 2, first { # open first
     stride = 2 } } # behind s3
  layout { # open layout
    # l1
    residual a skip b # behind l1
    # below l1
  } # behind layout
  # end of a
} # behind a
# between
space s over a { # open s
  require a < b # r1
  require b < c
  # above m
  maximize q # m
  minimize q2 # m2
  minimize q3
  # below s
} # behind s
# file end
"""


def test_comments_follow_their_items() -> None:
    file = from_text(COMMENTED)
    text = write_yaml(file)
    again = from_yaml(text)
    assert again == file
    kept = [c.text for c in again.comments]
    assert len(kept) == len(file.comments) - 1
    assert sorted([*kept, "# inside a value"]) == sorted(c.text for c in file.comments)
    lines = text.splitlines()
    for line in (
        "- arch: a  # opened",
        "  x: 1  # x",
        "      - 1  # e1",
        "    s2: {depth: 2}  # behind s2",
        "      first: {stride: 2}  # open first",
        "  layout:  # open layout",
        "      skip: b  # behind l1",
        "# file end",
    ):
        assert line in lines
    assert lines[lines.index("  x: 1  # x") - 1] == "  # top"
    assert lines[lines.index("      - 2") - 1] == "      # above e2"
    back = from_text(write_text(again))
    assert back == file
    assert [c.text for c in back.comments] == kept
