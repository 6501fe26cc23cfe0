"""Syntax errors: the guilty place, the rule, the repair, and several in one run."""

from __future__ import annotations

import pytest

from archdsl.lang.parse import parse_expression, parse_file
from archdsl.source.diagnostic import Diagnostic, Report, Reported
from archdsl.source.limits import SYNTAX_ERRORS
from archdsl.source.text import Source


def errors(text: str) -> tuple[Diagnostic, ...]:
    report = Report()
    assert parse_file(Source("a.arch", text), report) is None
    assert report.errors
    return report.errors


def said(text: str) -> list[str]:
    """Each error as `line:column slug`."""
    found = []
    for error in errors(text):
        assert error.span is not None
        line, column = error.span.source.line_column(error.span.start)
        found.append(f"{line}:{column} {error.slug}")
    return found


def one(text: str) -> Diagnostic:
    (error,) = errors(text)
    return error


# the text, with ^ before the guilty place; the slug; words of the message, the label, or the help
CASES = [
    ("let w =^\n", "missing-value", "`let w` has no value"),
    ("let w =^\nlet v = 3", "missing-value", "expected a number, a size, or a component"),
    ("arch a {\n  dim =^\n  depth = 3\n}", "missing-value", "`dim` has no value"),
    ("arch a { stage s { dim =^ } }", "missing-value", "`dim` has no value"),
    ("arch a {\n  depth^\n  dim = 3\n}", "missing-value", "`depth` has no value"),
    ("arch a { head =^ }", "missing-value", "`head` has no value"),
    ("arch a { expect params =^ }", "missing-value", "`expect params` has no value"),
    ("let a = b +^", "missing-value", "`+` needs a value on its right"),
    ("let a = b ->^\nlet c = 3", "missing-value", "expected a part"),
    ("let a = ^-> b", "missing-value", "`->` has nothing on its left"),
    ("let a = (^)", "missing-value", "parentheses are empty"),
    ("let a = f(b,^,)", "missing-value", "`,` is followed by no value"),
    ("layout a { residual^ }", "missing-value", "`residual` needs a value"),
    ("let ^first = 3", "reserved-word", "`first` is a reserved word"),
    ("let a = f(^head)", "reserved-word", "reserved are `arch`, `at`"),
    ("let a = f(^step = 3)", "reserved-word", "`step` is a reserved word"),
    ("arch ^stage { }", "reserved-word", "`stage`"),
    ("arch a { stage s { ^frist { dim = 3 } } }", "unexpected-text", "did you mean `first`?"),
    ("arch a { stage s { dim = 3, ^lsat { dim = 3 } } }", "unexpected-text", "did you mean `last`?"),
    ("arch a {\n  ^stgae s { dim = 3 }\n}", "unexpected-text", "did you mean `stage`?"),
    ("arch a {\n  dim = 3\n  ^defalt { dim = 3 }\n}", "unexpected-text", "did you mean `default`?"),
    ("layout a {\n  residual x\n  ^residul y -> z\n}", "unexpected-text", "did you mean `residual`?"),
    ("^Arch a { }", "unexpected-text", "did you mean `arch`?"),
    ("arch a {\n  ^expct params = 3\n}", "unexpected-text", "did you mean `expect`?"),
    ("arch a {\n  ^requires b < c\n}", "unexpected-text", "did you mean `require`?"),
    ("arch a { dim^: 64 }", "unknown-character", "write `=`, which gives a value"),
    ("arch a^:\n  dim = 64\n", "unexpected-text", "write `{` here, and `}` where the block ends"),
    ("arch a extends b^:\n  dim = 64\n  layout { then gelu }\nlet b = 3", "unexpected-text", "a block stands in braces"),
    ("arch a {\n  stage s^:\n    dim = 64\n    first { dim = 3 }\n  head = gelu\n}", "unexpected-text", "expected `{`"),
    ("arch a {\n  stage s^: { dim = 64 }\n  head = gelu\n}", "unexpected-text", "remove it"),
    ("arch a {\n  default^: dim = 64\n  head = gelu\n}", "unexpected-text", "expected `{`"),
    ("let a = 2 ^if true else 3\nlet b = 3", "unexpected-text", "there are no conditions"),
    ("arch a { dim = 64^; depth = 3 }", "unknown-character", "separator"),
    ("let a = f(kind = ^'x')", "unknown-character", 'write `"x"`'),
    ("let a = ^“x”", "unknown-character", 'write `"x"`'),
    ("let a = b ^→ c", "unknown-character", "write `->`"),
    ("let na^ïve = 3", "unknown-character", "letters a to z"),
    ("let a = 3^\u00a0* 4", "unknown-character", "U+00A0"),
    ('let a = ^"open\nlet b = 3', "unclosed-string", "no closing quote"),
    ("let a = ^3xx4", "malformed-number", "`3xx4` is none of these"),
    ("let a = ^.5", "malformed-number", "write `0.5`"),
    ("arch a { dim ^64 }".replace(" ^", "^ "), "unexpected-text", "write `dim = 64`"),
    ("let a^ 3", "unexpected-text", "`=` is missing between `a` and its value"),
    ("let a ^== 3", "unexpected-text", "one `=` gives a value"),
    ("let a = ^= 3", "unexpected-text", "a second one"),
    ("let a = b ^c", "unexpected-text", "`c` follows a complete value"),
    ("let a = conv(3x3) ^batchnorm\nlet b = 3", "unexpected-text", "`-> batchnorm` sends data on"),
    ("let a = conv(3x3) ^batchnorm(1)", "unexpected-text", "`batchnorm` follows a complete value"),
    ("let a = b ^- > c", "unexpected-text", "an arrow is one sign"),
    ("let a = f(b^ c)", "unexpected-text", "write `, c`"),
    ("let a = [1^ 2]", "unexpected-text", "`,` is missing"),
    ("let f(a^ b) = 3", "unexpected-text", "`,` is missing"),
    ("let a = (3^, 3)", "unexpected-text", "a size `7x7`"),
    ("let a = b ^== c", "unexpected-text", "`require`"),
    ("^// no\nlet a = 3", "unexpected-text", "a comment begins with `#`"),
    ("let a = 3 ^/* no { */\nlet b = 3", "unexpected-text", "a comment begins with `#`"),
    ("arch a { s1^.depth = 3 }", "unexpected-text", "write `stage s1 { depth = ... }`"),
    ("arch a^\n", "unexpected-text", "`{` is missing after `a`"),
    ("arch a { stage s ^= { dim = 3 } }", "unexpected-text", "a block follows its name at once"),
    ('arch a { stage ^"s" { } }', "unexpected-text", "write `s`"),
    ("arch a { stage^ { } }", "unexpected-text", "`stage` is followed by a name"),
    ("arch ^3d { }", "unexpected-text", "expected a name"),
    ("layout a { then x ^skip y }", "unexpected-text", "belongs to a `residual` line"),
    ("layout a { ^norm -> token }", "unexpected-text", "begins with `residual` or `then`"),
    ('import "x"^\nlet a = 3', "unexpected-text", "`(` is missing"),
    ("edition ^two", "unexpected-text", "expected a whole number"),
    ("^dim = 3", "unexpected-text", "values of an arch stand in its braces"),
    ("^hello, this is no spec", "unexpected-text", "a file holds"),
    ("arch a { stage s { ^expect params = 3 } }", "misplaced-item", "`expect` stands in an arch"),
    ("arch a {\n  ^require b < c\n}", "misplaced-item", "`require` stands in a space"),
    ("^stage s { dim = 3 }", "misplaced-item", "this is at the top of the file"),
    ("space a over b { ^expect params = 3 }", "misplaced-item", "inside a space"),
    ("arch a { ^first { dim = 3 } }", "misplaced-item", "in a stage or in `default`"),
    ("arch a ^{", "unclosed-bracket", "never closed"),
    ("let a = f^(3\nlet b = 3", "unclosed-bracket", "each `(` is closed"),
    ("arch a {\n  stage s ^{\n    dim = 3\n  stage t { dim = 3 }\n}", "unclosed-bracket", "never closed"),
    ("arch a ^{\n  dim = 3\narch b {\n}", "unclosed-bracket", "never closed"),
    ("arch a {\n  first = f^(g(3),\n  stage s { }\n}".replace("first", "x"), "unclosed-bracket", "never closed"),
    ("arch a {\n  stage s { dim = 3 } ^}\n  stage t { dim = 3 }\n}", "unexpected-bracket", "one too many"),
    ("^}", "unexpected-bracket", "closes nothing"),
    ("let a = 3^)", "unexpected-bracket", "closes nothing"),
    ("let a = f([1, 2^))".replace("^))", "^)"), "unclosed-bracket", "never closed"),
    ("let a = [1, 2^)", "unexpected-bracket", "expected `]`"),
]


@pytest.mark.parametrize(("marked", "slug", "words"), CASES)
def test_message(marked: str, slug: str, words: str) -> None:
    at = marked.index("^")
    text = marked[:at] + marked[at + 1 :]
    error = one(text)
    assert error.slug == slug
    assert words in " / ".join((error.message, error.label, error.help))
    if "f([1, 2" not in marked:
        assert error.span is not None
        assert error.span.start == at


def test_the_note_says_where_a_bracket_is_missing() -> None:
    error = one("arch a {\n  let b = f(3, g(4)\n  let c = 3\n}")
    assert error.notes[0].span is not None
    assert error.notes[0].span.source.line_column(error.notes[0].span.start) == (2, 20)


def test_a_wrong_bracket_points_at_its_opener() -> None:
    error = one("let a = f(b]")
    assert error.notes[0].span is not None
    assert error.notes[0].span.text == "("


def test_several_errors_in_one_run() -> None:
    assert said(
        "let a =\nlet b = 3 4\narch c {\n  dim: 3\n  stage s { depth }\n  stage t { dim = f(x y), depth = 3 }\n  head\n}\n"
    ) == [
        "1:8 missing-value",
        "2:11 unexpected-text",
        "4:6 unknown-character",
        "5:18 missing-value",
        "6:22 unexpected-text",
        "7:7 unexpected-text",
    ]


def test_one_cause_is_said_once() -> None:
    assert said("arch a {\n  let w = )\n  let v = 'x\n  dim = 3\n}") == ["2:11 unexpected-bracket", "3:11 unknown-character"]


def test_each_block_begun_with_a_colon_is_said_once() -> None:
    text = "arch a:\n  dim = 3\n  stage s:\n    dim = 3\n    first:\n      depth = 3\n  head = gelu\nlet b = 3\n"
    assert said(text) == ["1:7 unexpected-text", "3:10 unexpected-text", "5:10 unexpected-text"]
    # closed all the same
    assert said("arch a:\n  dim = 3\n}\nlet b = 3\n") == ["1:7 unexpected-text"]


def test_no_more_than_a_page() -> None:
    found = errors("let a 3\n" * 50)
    assert len(found) == SYNTAX_ERRORS
    assert found[-1].notes[-1].message == "30 more syntax errors were found"


@pytest.mark.parametrize(
    ("text", "slug"), [("", "missing-value"), ("3 4", "unexpected-text"), ("f(", "unclosed-bracket"), ("a ->", "missing-value")]
)
def test_an_expression(text: str, slug: str) -> None:
    source = Source("a.yaml", f"key: {text} # behind")
    report = Report()
    with pytest.raises(Reported):
        parse_expression(source, 5, 5 + len(text), report)
    (error,) = report.errors
    assert error.slug == slug
    assert error.span is not None
    assert 5 <= error.span.start <= 5 + len(text)


def test_fixes_repair() -> None:
    for text in (
        "arch a { dim: 3 }",
        "let a == 3",
        "let a = .5",
        "let a = b => c",
        "// no\nlet a = 3",
        "arch a {\n  stgae s { dim = 3 }\n}",
    ):
        fix = one(text).fix
        assert fix is not None
        repaired = text[: fix.span.start] + fix.text + text[fix.span.end :]
        assert parse_file(Source("a.arch", repaired), Report()) is not None, repaired
