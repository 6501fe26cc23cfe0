"""Diagnostics as text: the exact picture, and that nothing a stranger wrote can disturb it."""

from __future__ import annotations

import pytest

from archdsl.source.cells import text_width
from archdsl.source.diagnostic import Diagnostic, Fix, Note, SpecError
from archdsl.source.render import render
from archdsl.source.text import Source, Span

SPEC = """\
arch biformer_t {
  let routed = routing(regions = 7x7)
  stage s1 { dim = 64, token = routed(top_k = 1) }
}
"""


def find(source: Source, word: str) -> Span:
    start = source.text.index(word)
    return Span(source, start, start + len(word))


def one(text: str, word: str, label: str = "here", **more: object) -> Diagnostic:
    return Diagnostic("some-slug", "a message", find(Source("a.arch", text), word), label, **more)  # type: ignore[arg-type]


def caret_line(text: str) -> tuple[str, str]:
    """The line of the spec and the one below it."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if "^" in line)
    return lines[at - 1], lines[at]


def test_the_whole_picture() -> None:
    source = Source("specs/biformer_t.arch", SPEC)
    error = Diagnostic(
        "unknown-field",
        "`routing` has no field `top_k`",
        find(source, "top_k"),
        "not a field of `routing`",
        (Note("`routed` is `routing`, refined here", find(source, "routing(").head()),),
        "did you mean `topk`?",
    )
    warning = Diagnostic("unused-let", "nothing reads `routed`", find(source, "routed"), severity="warning")
    assert render([error, warning]) == (
        """\
error[unknown-field]: `routing` has no field `top_k`
  --> specs/biformer_t.arch:3:39
   |
 3 |   stage s1 { dim = 64, token = routed(top_k = 1) }
   |                                       ^^^^^ not a field of `routing`
   |
note: `routed` is `routing`, refined here
  --> specs/biformer_t.arch:2:16
   |
 2 |   let routed = routing(regions = 7x7)
   |                ^^^^^^^
help: did you mean `topk`?

warning[unused-let]: nothing reads `routed`
  --> specs/biformer_t.arch:2:7
   |
 2 |   let routed = routing(regions = 7x7)
   |       ^^^^^^

error: 1 error, 1 warning in 1 file"""
    )


def test_without_a_place() -> None:
    found = Diagnostic("too-large", "a spec has at most 1 MB", label="this one has 10 MB", help="split it")
    assert render([found]) == (
        "error[too-large]: a spec has at most 1 MB\nnote: this one has 10 MB\nhelp: split it\n\nerror: 1 error"
    )


def test_nothing_found() -> None:
    assert render([]) == ""
    assert render([], format="short") == "" == render([], format="github")


def test_the_gutter_is_as_wide_as_the_largest_number() -> None:
    source = Source("a.arch", "first\n" + "\n" * 1200 + "far")
    found = Diagnostic("s", "m", find(source, "first"), notes=(Note("n", find(source, "far")),))
    lines = render([found], summary=False).splitlines()
    assert {line.index("|") for line in lines if "|" in line} == {5}
    assert lines[1] == "    --> a.arch:1:1"
    assert "1202 | far" in lines


def test_at_most_three_notes() -> None:
    found = one("word", "word", notes=tuple(Note(f"hop {i}") for i in range(5)))
    assert render([found], summary=False).endswith("note: hop 2\nnote: ... 2 more")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("let a\t=\tbad(1)", "bad"),
        ("\t\tlet a = bad(1)", "bad"),
        ("let 网络 = bad(1)", "bad"),
        ("let cafe\u0301 = bad(1)", "bad"),
        ("let \x00\x1b[31m = bad(1)", "bad"),
        ("let \u202e\u2066 = bad(1)", "bad"),
        ("let a = 网络(1)", "网络"),
        ("let \udc80 = bad(1)", "bad"),
        ("let a = bad(1)\r\nlet b = 2\r\n", "bad"),
    ],
)
def test_carets_stand_below_the_place(text: str, word: str) -> None:
    shown, carets = caret_line(render([one(text, word, "")]))
    assert carets.count("^") == text_width(word)
    assert carets.index("^") == text_width(shown[: shown.index(word)])
    assert all(char.isprintable() for char in shown)


def test_controls_are_spelled_out_wherever_they_stand() -> None:
    source = Source("bad\x1b]0;name.arch", "let a\x07 = 1")
    word = "\x1b[2J\u202e"
    found = Diagnostic("s", f"no `{word}`", find(source, "a\x07"), word, (Note(word),), f"try `{word}`")
    for shown in (render([found], format="full"), render([found], format="short"), render([found], format="github")):
        assert all(char.isprintable() or char == "\n" for char in shown)
        assert "U+001B" in shown
    assert render([found], format="json").isascii()


@pytest.mark.parametrize("before", [0, 10, 60, 95, 100, 5000])
@pytest.mark.parametrize("after", [0, 10, 100, 5000])
@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_long_line_is_cut_around_the_place(before: int, after: int, width: int) -> None:
    shown, carets = caret_line(render([one("x" * before + "bad" + "y" * after, "bad", "")], width=width))
    assert len(shown) <= width
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "bad"
    assert before + 3 + after > width - 5 or "..." not in shown


def test_a_label_is_wrapped_behind_the_carets() -> None:
    found = one(" " * 50 + "bad", "bad", "16 channels come in, and 3 does not divide them, in block 0 of `s1`")
    assert render([found], summary=False).splitlines()[-2:] == [
        "   | " + " " * 50 + "^^^ 16 channels come in, and 3 does not",
        "   | " + " " * 54 + "divide them, in block 0 of `s1`",
    ]


def test_a_label_without_room_stands_below() -> None:
    found = one(" " * 80 + "bad", "bad", "some thirty cells of a label here")
    lines = render([found], summary=False).splitlines()
    assert lines[-2].endswith("^^^")
    assert lines[-1].endswith(" some thirty cells of a label here")
    assert len(lines[-1]) == 100


def test_a_place_over_several_lines_is_shown_by_its_first() -> None:
    source = Source("a.arch", "head = batchnorm ->\n  mean ->\n  linear(3)\n")
    shown, carets = caret_line(render([Diagnostic("s", "m", Span(source, 7, 39), "too long")]))
    assert shown == " 1 | head = batchnorm ->"
    assert carets == "   |        ^^^^^^^^^^^^ too long"


@pytest.mark.parametrize("text", ["let w =", "let w =\n", "let w =\r\n", ""])
def test_an_empty_place_has_one_caret(text: str) -> None:
    end = len(text.rstrip("\r\n"))
    assert "^ expected" in render([Diagnostic("s", "m", Span(Source("a", text), end, end), "expected a number")])
    assert "^ expected" in render([Diagnostic("s", "m", Span(Source("a", text), len(text), len(text)), "expected a number")])


def test_words_as_long_as_a_file_are_cut() -> None:
    assert len(render([Diagnostic("s", "no `" + "x" * 10**6 + "`")])) < 1000


def test_several_lines_of_help_are_indented() -> None:
    assert "help: one of\n      two" in render([Diagnostic("s", "m", help="one of\ntwo")])


def test_a_fix_without_help_says_what_to_write() -> None:
    source = Source("a.arch", "topkk")
    span = Span(source, 0, 5)
    assert "help: write `topk`" in render([Diagnostic("s", "m", span, fix=Fix(span, "topk", safe=True))])
    assert "help: take out `topkk`" in render([Diagnostic("s", "m", span, fix=Fix(span, ""))])


def test_colour_changes_nothing_else() -> None:
    import re

    found = [one("let a = bad", "bad", notes=(Note("n", Span(Source("b", "x"), 0, 1)),), help="h")]
    coloured = render(found, color=True)
    assert "\x1b[1;31merror[some-slug]\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(found)


def test_short() -> None:
    found = [one("let a =\n bad", "bad"), Diagnostic("other", "no\nplace", severity="warning")]
    assert render(found, format="short") == "a.arch:2:2: error[some-slug]: a message\nwarning[other]: no place"


def test_github_escapes() -> None:
    source = Source("a,b:c%.arch", "x = 100%")
    found = Diagnostic("s", "50% of\nit", Span(source, 4, 8), "a, b: c")
    assert render([found], format="github") == (
        "::error file=a%2Cb%3Ac%25.arch,line=1,col=5,endColumn=9,title=s::50%25 of%0Ait%0Aa, b: c"
    )
    several = Span(Source("a", "x\ny"), 0, 3)
    assert render([Diagnostic("s", "m", several, severity="warning")], format="github") == (
        "::warning file=a,line=1,col=1,endLine=2,title=s::m"
    )


def test_the_text_of_a_spec_error_is_the_rendered_text() -> None:
    found = one("let a = bad", "bad")
    assert str(SpecError([found])) == render([found])
