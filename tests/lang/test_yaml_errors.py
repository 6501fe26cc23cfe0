from __future__ import annotations

import time
from pathlib import Path

import pytest

from archdsl.source.diagnostic import SpecError
from archdsl.source.limits import SYNTAX_ERRORS
from tests.lang.yaml_helpers import from_yaml, one, place, said

PAGES = Path(__file__).parents[2] / "docs" / "errors"
OWN = ("yaml-split", "yaml-syntax", "yaml-feature", "yaml-structure", "unknown-key", "duplicate-key")


def test_flow_map_cuts_a_call() -> None:
    found = one("arch: a\nstages:\n  s1: {depth: 2, token: routed(topk = 1, win = 7x7), dim: 3}")
    assert found.slug == "yaml-split"
    assert place(found) == "routed(topk = 1, win = 7x7)"
    assert found.label == "cut before `win = 7x7)`"
    assert found.help == 'quote it: `"routed(topk = 1, win = 7x7)"`'
    assert found.fix and found.fix.safe


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{t: f(a = h(1, 2), c = 3), u: g(x, c = 3)}", ["f(a = h(1, 2), c = 3)", "g(x, c = 3)"]),
        ('{t: f("x, y")}', ['f("x, y")']),
        ("{let: {f(a, b): 1, g: h(a, b)}}", ["f(a, b)", "h(a, b)"]),
        ("{dim = 64, depth: 2}", ["dim = 64"]),
    ],
)
def test_flow_map_cuts_more(text: str, places: list[str]) -> None:
    found = said(f"arch: a\nstages:\n  s: {text}\n")
    assert [d.slug for d in found] == ["yaml-split"] * len(places)
    assert [place(d) for d in found] == places


def test_applying_the_repair_of_a_cut_call() -> None:
    text = 'arch: a\nx: 1\nstages: {s: {t: f(a, b = "c")}}'
    fix = one(text).fix
    assert fix
    assert from_yaml(text[: fix.span.start] + fix.text + text[fix.span.end :])


@pytest.mark.parametrize(
    ("text", "slug", "guilty", "help"),
    [
        # wrong words
        ("arch: a\nstags:\n  s1: {}", "unknown-key", "stags", "did you mean `stages`?"),
        ("arch: a\nstage: {}", "unknown-key", "stage", "did you mean `stages`?"),
        ("arch: a\nstages: {s: {frist: {x: 1}}}", "unknown-key", "frist", "did you mean `first`?"),
        ("arch: a\nlayout: [residul: b]", "unknown-key", "residul", "did you mean `residual`?"),
        ("arch: a\nlayout: [{then: b, skip: c}]", "unknown-key", "skip", "`skip` stands beside `residual`"),
        ("arch: a\nexpect: {p: {vlaue: 1}}", "unknown-key", "vlaue", "did you mean `value`?"),
        ("arch: a\nbudget: {p: 1}", "unknown-key", "budget", ""),
        ("space: a\nover: b\nexpect: {p: 1}", "unknown-key", "expect", ""),
        ("imports: {x: b}", "unknown-key", "imports", "did you mean `import`?"),
        ("arhc: a", "unknown-key", "arhc", "did you mean `arch`?"),
        ("arch: a\n3x3: 2", "unknown-key", "3x3", ""),
        # wrong structure
        ("arch: a\nlayout: {residual: b}", "yaml-structure", "{residual: b}", "write `- residual: ...`"),
        ("arch: a\nlayout: [b]", "yaml-structure", "b", "write `residual: ...` or `then: ...`"),
        ("arch: a\nlayout: [skip: b]", "yaml-structure", "skip: b", "write `residual: ...` beside"),
        ("arch: a\ntoken: {routing: {topk: 4}}", "yaml-structure", "{routing: {topk: 4}}", "write a call"),
        ("arch: a\nhead: {b: c}", "yaml-structure", "{b: c}", "several heads stand under `heads`"),
        ("arch: a\nlet: 3", "yaml-structure", "3", "`{}` for none"),
        ("arch: a\nlet: [3]", "yaml-structure", "3", "write `key: value`"),
        ("arch: a\nlet: {let: 3}", "reserved-word", "let", ""),
        ("arch: a\nlet: {3x: 3}", "yaml-structure", "3x", "a name has letters"),
        ("arch: a\nlet: {'f(b': 3}", "yaml-structure", "f(b", "write `name(a, b = 2)`"),
        ("arch: a\nlet: {'f(b))': 3}", "yaml-structure", "f(b))", "write `name(a, b = 2)`"),
        ("arch: a\nlet: {'f(,)': 3}", "yaml-structure", "", "a name has letters"),
        ("arch: a\nlet: {'f(b c)': 3}", "yaml-structure", "b c", "a name has letters"),
        ("dim = 64\ndepth = 2", "yaml-structure", "dim", "in YAML a key is followed by `: `"),
        ("[arch: a]", "yaml-structure", "[arch: a]", "write `arch: name`"),
        ("arch: a\nspace: b\nover: a", "yaml-structure", "space", "write a list"),
        ("space: b", "yaml-structure", "space", "add `over: name`"),
        ("arch: [a]", "yaml-structure", "[a]", ""),
        ("? [a]\n: b", "yaml-structure", "[", ""),
        ("edition: one", "yaml-structure", "one", "write `edition: 1`"),
        ("import: x.arch", "yaml-structure", "x.arch", "[one, two]"),
        ("space: s\nover: a\nrequire: b | c <= d", "yaml-structure", "|", "put it in parentheses"),
        ("space: s\nover: a\nrequire: b", "yaml-structure", "b", "write `s1.depth <= s2.depth`"),
        ("space: s\nover: a\nbudget: {p: 3M}", "yaml-structure", "3M", 'write `<= 3M`, or `">= 3M"` in quotes'),
        ("arch: a\nexpect: {p: {value: 1, because: 'so \"so\"'}}", "yaml-structure", 'so "so"', ""),
        # nothing where something is wanted
        ("arch: a\nx:", "missing-value", "", "write the value after the `:`"),
        ("arch: a\nx: ''", "missing-value", "''", "write the value after the `:`"),
        ("arch: a\nstages: {s1: }", "missing-value", "", ""),
        ("arch:", "missing-value", "", ""),
        ("space: s\nover: a\nrequire: b <=", "missing-value", "", ""),
        # twice
        ("arch: a\nx: 1\nx: 2", "duplicate-key", "x", "values of one quantity as a list"),
        # what YAML has and a spec has not
        ("arch: a\nx: *b", "yaml-feature", "*b", "share values with `let`"),
        ("arch: a\nx: &b 1", "yaml-feature", "&", "share values with `let`"),
        ("arch: a\nx: !!str 1", "yaml-feature", "!", ""),
        ("arch: a\nx: ! 1", "yaml-feature", "!", ""),
        ("arch: a\nx: !!python/object/apply:os.system [b]", "yaml-feature", "!", ""),
        ("arch: a\n<<: {x: 1}", "yaml-feature", "<<", "use `extends` or `let`"),
        ("%YAML 1.1\n---\narch: a", "yaml-feature", "%YAML 1.1", ""),
        ("arch: a\n---\narch: b", "yaml-feature", "---", "write several archs as a list"),
        ('arch: a\nx: "b\\u202e"', "yaml-feature", "\\u202e", ""),
        # no YAML
        ("arch: a\n\tx: 1", "yaml-syntax", "\t", "indent with blanks"),
        ("arch: a\nx: f(b: 1)", "yaml-syntax", ":", "a call has `=`, not `:`"),
        ("arch: a\nx: 1\n  y: 2", "yaml-syntax", ":", "start in one column"),
        ("space: s\nover: a\nbudget:\n  p: >= 1M", "yaml-syntax", "=", 'quote it, as in `">= 1M"`'),
        ("space: s\nover: a\nbudget: {p: >= 1M}", "yaml-syntax", ">", 'quote it, as in `">= 1M"`'),
        ("import: {@b: c}", "yaml-syntax", "@", "quote it"),
        ("arch: a\nx: [1] -> b", "yaml-syntax", "-", "quoted as a whole"),
        ('arch: a\nx: "b" -> c', "yaml-syntax", "-", "quoted as a whole"),
        ("arch: a\nstages: {s: {t: split([b, c], d)}}", "yaml-syntax", "[", "quote a value"),
        ('arch: a\nx: "b', "yaml-syntax", '"', ""),
        ("arch: a\nx: {b: c", "yaml-syntax", "{", ""),
        ("arch: a\nx: f(b)\n-> c\ny: 1", "yaml-syntax", "y", "is indented"),
        ("arch: a\nx: \ufffe", "yaml-syntax", "\ufffe", ""),
        ('arch: a\nx: "\\q"', "yaml-syntax", "q", "quote the text with `'`"),
    ],
)
def test_wrong(text: str, slug: str, guilty: str, help: str) -> None:
    found = one(text)
    assert (found.slug, place(found)) == (slug, guilty)
    assert help in found.help
    assert "<" not in found.message.replace("`", ""), "a token name of the YAML library"


@pytest.mark.parametrize(("text", "guilty"), [("1:30", ":"), ("f(a = )", ")"), ("'f(b c)'", "c"), ('"b ->"', "")])
def test_errors_of_the_grammar_point_into_the_yaml_file(text: str, guilty: str) -> None:
    found = one(f"arch: a\nx: {text}")
    assert found.span and found.span.source.line_column(found.span.start)[0] == 2
    assert guilty in place(found) or not place(found)


def test_several_errors_in_one_run() -> None:
    found = said("arch: a\nx: f(\nlayout: [thn: b]\nstages: {s: {t: f(a, b)}, u: 3}\nexpect: {p: }")
    assert [d.slug for d in found][1:] == ["unknown-key", "yaml-split", "yaml-structure", "missing-value"]


BOMBS = {
    "aliases": "a: &a [x, x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)),
    "brackets": "arch: a\nx: " + "[" * 10_000,
    "closed brackets": "arch: a\nx: " + "[" * 10_000 + "]" * 10_000,
    "braces": "arch: a\nx: " + "{" * 10_000,
    "maps": "{a: " * 10_000,
    "dashes": "- " * 10_000,
    "questions": "? " * 10_000,
    "lines": "\n".join(" " * level + "a:" for level in range(900)),
    "parentheses": "arch: a\nx: " + "(" * 10_000,
    "arrows": "arch: a\nx: " + "b -> " * 90_000,
    "digits": "arch: a\nx: " + "1" * 5_000,
    "name": "arch: " + "a" * 400_000,
    "text": "arch: a\nexpect: {p: {value: 1, because: " + "b" * 400_000 + "}}",
    "size": "arch: a\nx: " + "b " * 400_000,
    "quotes": "arch: a\nx: '" + "''" * 240_000 + "'",
    "escapes": 'arch: a\nx: "' + "\\x61" * 120_000 + '"',
    "elements": "- a\n" * 100_000,
    "keys": "arch: a\n" + "x: 1\n" * 10_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_one_error_in_time(name: str) -> None:
    start = time.process_time()
    found = said(BOMBS[name])
    # a guard against hanging, wide enough for any machine: these end within two seconds on a common one
    assert time.process_time() - start < 15
    # equal keys are told apart, up to a limit: each is a mistake of its own
    assert len(found) == (SYNTAX_ERRORS if name == "keys" else 1)
    assert found[0].slug in (*OWN, "limit-exceeded", "unclosed-bracket")


def test_message_of_an_error_is_short_whatever_the_text() -> None:
    for found in said("arch: a\nstages: {s: {" + "x" * 5_000 + "(: f(" + "y" * 5_000 + "}}\nlet: {" + "z" * 3_000 + ": {}}"):
        assert len(found.message) + len(found.label) + len(found.help) < 500


@pytest.mark.parametrize("slug", OWN)
def test_page_shows_what_is_wrong_and_what_is_right(slug: str) -> None:
    page = (PAGES / f"{slug}.md").read_text()
    assert page.startswith(f"# {slug}\n")
    wrong, right = (part.split("```")[0] for part in page.split("```yaml\n")[1:])
    assert {found.slug for found in said(wrong)} == {slug}
    from_yaml(right)


def test_wrong_text_raises_for_python() -> None:
    with pytest.raises(SpecError, match="unknown-key"):
        from_yaml("arhc: a")
