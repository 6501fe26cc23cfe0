"""Reading specs in tests of the YAML form."""

from __future__ import annotations

from pathlib import Path

from archdsl.lang import ast
from archdsl.lang.parse import parse_file
from archdsl.lang.yaml_twin import parse_yaml
from archdsl.source.diagnostic import Diagnostic, Report
from archdsl.source.text import Source

SAMPLES = Path(__file__).parent / "samples"


def from_text(text: str) -> ast.File:
    report = Report()
    file = parse_file(Source("a.arch", text), report)
    report.raise_errors()
    assert file is not None
    return file


def from_yaml(text: str) -> ast.File:
    report = Report()
    file = parse_yaml(Source("a.yaml", text), report)
    report.raise_errors()
    assert file is not None
    return file


def said(text: str) -> tuple[Diagnostic, ...]:
    """What is said about a wrong text; checks that nothing was read and that each place is in the text."""
    report = Report()
    source = Source("a.yaml", text)
    assert parse_yaml(source, report) is None
    assert report.errors
    for diagnostic in report.errors:
        assert "yaml." not in diagnostic.message.lower(), "a name of Python in a message"
        if diagnostic.span:
            assert diagnostic.span.source is source
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
    return report.errors


def one(text: str) -> Diagnostic:
    """The one thing that is said."""
    (diagnostic,) = said(text)
    return diagnostic


def place(diagnostic: Diagnostic) -> str:
    """The text under the caret."""
    assert diagnostic.span is not None
    return diagnostic.span.text
