"""What the YAML library cannot read, said in the words of someone who writes a spec."""

from __future__ import annotations

from typing import NoReturn

from yaml.error import MarkedYAMLError

from archdsl.source.diagnostic import Note, Report
from archdsl.source.text import Source, Span

# the words of the YAML library, and what they mean to someone who writes a spec
_PROBLEMS = (
    ("\\t", "a tab cannot indent YAML", "indent with blanks"),
    ("found a tab", "a tab cannot indent YAML", "indent with blanks"),
    (
        "mapping values are not allowed",
        "a second `: ` stands in one value",
        "items of a map start in one column; a call has `=`, not `:`",
    ),
    ("chomping or indentation", "a value cannot start with `>` or `|`", 'quote it, as in `">= 1M"`'),
    ("character '>'", "a value cannot start with `>`", 'quote it, as in `">= 1M"`'),
    (
        "could not find expected ':'",
        "a key has `: ` after it",
        "write `key: value`; a line that goes on with a value is indented",
    ),
    ("cannot start any token", "a key or a value cannot start with this character", "quote it"),
    ("alphabetic or numeric character", "a value cannot start with `&` or `*`", "quote it"),
    ("unknown escape character", "this is no escape of YAML", "quote the text with `'`"),
    ("expected escape sequence", "this is no escape of YAML", "quote the text with `'`"),
    (
        "expected ',' or",
        "a map in braces or a list in brackets goes on with `,`",
        "quote a value that has commas or brackets",
    ),
    (
        "expected <block end>",
        "this does not fit the indentation above",
        "items of one map start in one column; a value that goes on after `]` or a quote is quoted as a whole",
    ),
    ("expected the node content", "a value is missing here", "quote a value that starts with a bracket or a comma"),
)


def syntax_error(source: Source, report: Report, error: MarkedYAMLError) -> NoReturn:
    """Report an error of the YAML library at its place."""
    text = source.text
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark else 0
    problem = f"{error.problem} {error.context}"
    opener = error.context_mark.index if error.context_mark else len(text)
    opened = text[opener : opener + 1] if text[opener : opener + 1] in tuple("[{'\"") else ""
    last = max(0, len(text.rstrip()) - 1)
    if index > last and opened:
        report.fail("yaml-syntax", f"`{opened}` is never closed", Span(source, opener, opener + 1), "opened here")
    index = min(index, last)
    message, help = next(((m, h) for words, m, h in _PROBLEMS if words in problem), ("this is not YAML", ""))
    notes = [Note(f"inside this `{opened}`", Span(source, opener, opener + 1))] if opened and opener < index else []
    report.fail("yaml-syntax", message, Span(source, index, index + 1), "here", notes=notes, help=help)
