"""Diagnostics for other programs: one a line, as JSON, and as workflow commands. Imported by `render` when asked for."""

from __future__ import annotations

from typing import Any

from archdsl.source.cells import safe
from archdsl.source.diagnostic import Diagnostic, Fix, Note
from archdsl.source.text import Source, Span

VERSION = 1
"""Version of the JSON form, described in `grammars/diagnostics.schema.json`."""


def short(diagnostics: tuple[Diagnostic, ...], color: bool) -> str:
    """`file:line:column: error[slug]: message`, one a line."""
    from archdsl.source.render import paint

    lines = []
    for found in diagnostics:
        place = ""
        if found.span:
            line, column = found.span.source.line_column(found.span.start)
            place = f"{safe(found.span.source.name)}:{line}:{column}: "
        kind = paint(f"{found.severity}[{found.slug}]", found.severity, color)
        lines.append(f"{place}{kind}: {safe(found.message)}".replace("\n", " "))
    return "\n".join(lines)


def document(diagnostics: tuple[Diagnostic, ...]) -> dict[str, Any]:
    """The diagnostics as plain data, ready for `json.dumps`."""
    return {"version": VERSION, "diagnostics": [_diagnostic(found) for found in diagnostics]}


def json(diagnostics: tuple[Diagnostic, ...]) -> str:
    """One JSON document. Only ASCII stands in it, so nothing of a stranger's file reaches the terminal as it is."""
    from json import dumps

    return dumps(document(diagnostics), indent=2)


def _diagnostic(found: Diagnostic) -> dict[str, Any]:
    return {
        "slug": found.slug,
        "severity": found.severity,
        "message": found.message,
        **_place(found.span),
        "label": found.label,
        "notes": [_note(note) for note in found.notes],
        "help": found.help,
        "fix": _fix(found.fix),
    }


def _note(note: Note) -> dict[str, Any]:
    return {"message": note.message, **_place(note.span), "label": note.label}


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    return {**_place(fix.span), "text": fix.text, "safe": fix.safe} if fix else None


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "span": None}
    ends = {"start": _point(span.source, span.start), "end": _point(span.source, span.end)}
    return {"file": span.source.name, "span": ends}


def _point(source: Source, offset: int) -> dict[str, int]:
    line, column = source.line_column(offset)
    return {"line": line, "column": column, "offset": offset}


def github(diagnostics: tuple[Diagnostic, ...]) -> str:
    """Workflow commands, one a line: each makes an annotation at its place."""
    return "\n".join(_command(found) for found in diagnostics)


def _command(found: Diagnostic) -> str:
    properties: dict[str, object] = {}
    if found.span:
        source = found.span.source
        line, column = source.line_column(found.span.start)
        end_line, end_column = source.line_column(found.span.end)
        properties = {"file": safe(source.name), "line": line, "col": column}
        # columns of different lines make no range
        properties |= {"endColumn": max(end_column, column + 1)} if end_line == line else {"endLine": end_line}
    properties["title"] = found.slug
    listed = ",".join(f"{key}={_escape(str(value), ',:')}" for key, value in properties.items())
    said = [found.message, found.label, f"help: {found.help}" if found.help else ""]
    return f"::{found.severity} {listed}::{_escape(safe(chr(10).join(line for line in said if line)))}"


def _escape(text: str, more: str = "") -> str:
    return "".join(f"%{ord(char):02X}" if char in "%\r\n" + more else char for char in text)
