"""Diagnostics as text: for a reader (`full`), for a list (`short`), for a program (`json`), for a workflow (`github`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from archdsl.source.cells import cells, safe, text_width
from archdsl.source.diagnostic import Diagnostic, Note
from archdsl.source.text import Span

Format: TypeAlias = Literal["full", "short", "json", "github"]

_NOTES = 3
_DOTS = "..."
_LONGEST = 800
# a label has at least these cells, or it goes below the carets
_NARROWEST = 24
_STYLES = {"error": "1;31", "warning": "1;33", "note": "1;32", "help": "1;36", "gutter": "1;34", "strong": "1"}


def render(
    diagnostics: Iterable[Diagnostic],
    *,
    format: Format = "full",
    color: bool = False,
    width: int = 100,
    summary: bool = True,
) -> str:
    """The diagnostics in one of the four formats, in the order given, without a line break at the end.

    Parameters
    ----------
    color: escape sequences for a terminal; `full` and `short` only.
    width: cells of the terminal; longer lines of a spec are cut around the place. `full` only.
    summary: end with a line that counts errors, warnings and files. `full` only.
    """
    found = tuple(diagnostics)
    if format != "full":
        from archdsl.source import machine

        if format == "short":
            return machine.short(found, color)
        return machine.json(found) if format == "json" else machine.github(found)
    blocks = ["\n".join(_block(diagnostic, color, max(width, 40))) for diagnostic in found]
    if summary and found:
        blocks.append(count(found, color))
    return "\n\n".join(blocks)


def notes(found: Iterable[Note], *, color: bool = False, width: int = 100) -> str:
    """Notes on their own, each with its place: the steps by which a value came about."""
    every = tuple(found)
    gutter = _gutter(note.span for note in every)
    return "\n".join(line for note in every for line in _note(note, gutter, color, max(width, 40)))


def count(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """The line that counts: `error: 5 errors, 1 warning in 2 files`."""
    found = tuple(diagnostics)
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    files = len({diagnostic.span.source.name for diagnostic in found if diagnostic.span})
    said = [_many(n, word) for n, word in ((errors, "error"), (len(found) - errors, "warning")) if n]
    kind = "error" if errors else "warning"
    return f"{paint(kind, kind, color)}: {', '.join(said) or 'nothing found'}" + (
        f" in {_many(files, 'file')}" if files else ""
    )


def paint(text: str, style: str, color: bool) -> str:
    """The text in the colour of `error`, `warning`, `note`, `help`, `gutter` or `strong`, where `color` is wanted."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text else text


def _many(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _block(diagnostic: Diagnostic, color: bool, width: int) -> Iterator[str]:
    shown = diagnostic.notes[:_NOTES]
    gutter = _gutter([diagnostic.span, *(note.span for note in shown)])
    kind = diagnostic.severity
    title = _lines(diagnostic.message, len(kind) + len(diagnostic.slug) + 4)
    yield f"{paint(f'{kind}[{diagnostic.slug}]', kind, color)}: {paint(title, 'strong', color)}"
    helped = diagnostic.help or _fix_help(diagnostic)
    if diagnostic.span:
        yield from _snippet(diagnostic.span, diagnostic.label, kind, gutter, color, width)
        if shown or helped:
            yield paint(" " * (gutter + 1) + "|", "gutter", color)
    elif diagnostic.label:
        shown = (Note(diagnostic.label), *shown)
    for note in shown:
        yield from _note(note, gutter, color, width)
    if len(diagnostic.notes) > _NOTES:
        yield f"{paint('note', 'note', color)}: ... {len(diagnostic.notes) - _NOTES} more"
    if helped:
        yield f"{paint('help', 'help', color)}: {_lines(helped, 6)}"


def _note(note: Note, gutter: int, color: bool, width: int) -> Iterator[str]:
    yield f"{paint('note', 'note', color)}: {_lines(note.message, 6)}"
    if note.span:
        yield from _snippet(note.span, note.label, "note", gutter, color, width)


def _gutter(spans: Iterable[Span | None]) -> int:
    return max([2, *(len(str(span.source.line_column(span.start)[0])) for span in spans if span)])


def _fix_help(diagnostic: Diagnostic) -> str:
    fix = diagnostic.fix
    if fix is None:
        return ""
    return f"write `{fix.text}`" if fix.text else f"take out `{fix.span.text}`"


def _lines(text: str, indent: int) -> str:
    # words of a spec are quoted in messages, and a word can be as long as the file
    if len(text) > _LONGEST:
        text = text[: _LONGEST - len(_DOTS)] + _DOTS
    return safe(text).replace("\n", "\n" + " " * indent)


def _snippet(span: Span, label: str, kind: str, gutter: int, color: bool, width: int) -> Iterator[str]:
    """The line a place is in, with carets below. Of a place over several lines, the first."""
    line, column = span.source.line_column(span.start)
    text = span.source.line(line)
    # a place at or behind the line break is shown right after the text
    start = min(column - 1, len(text))
    stop = max(start + 1, min(start + span.end - span.start, len(text)))
    blank = paint(" " * (gutter + 1) + "|", "gutter", color)
    shown, before, under = _window(text, start, stop, width - gutter - 3)
    yield f"{paint(' ' * gutter + '-->', 'gutter', color)} {safe(span.source.name)}:{line}:{column}"
    yield blank
    number = f"{line:>{gutter}} |"
    yield f"{paint(number, 'gutter', color)} {shown}".rstrip()
    carets = " " * before + paint("^" * under, kind, color)
    behind, *below = _label(_lines(label, 0), before + under + 1, before, width - gutter - 3)
    yield f"{blank} {carets}{' ' * bool(behind)}{paint(behind, kind, color)}"
    for further in below:
        bare = further.lstrip(" ")
        yield f"{blank} {' ' * (len(further) - len(bare))}{paint(bare, kind, color)}"


def _label(label: str, behind: int, below: int, room: int) -> list[str]:
    """A label on lines: behind the carets, wrapped there if it must, or below them; all but the first are indented."""
    if text_width(label) <= room - behind and "\n" not in label:
        return [label]
    if room - behind < _NARROWEST:
        behind = max(0, min(below, room - text_width(label)))
        return ["", *(" " * behind + line for line in _wrapped(label, room - behind))]
    first, *rest = _wrapped(label, room - behind)
    return [first, *(" " * behind + line for line in rest)]


def _wrapped(text: str, room: int) -> list[str]:
    lines: list[str] = []
    for line in text.split("\n"):
        lines.append("")
        for word in line.split(" "):
            if lines[-1] and text_width(lines[-1]) + 1 + text_width(word) > room:
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def _window(text: str, start: int, stop: int, room: int) -> tuple[str, int, int]:
    """A line cut to `room` cells around `start`..`stop`: what is shown, the cells before the place, and those below it."""
    # a line can be megabytes long: nothing further away than this can be shown
    low, high = max(0, start - room), min(len(text), start + room)
    near = cells(text[low:high])
    first, last = start - low, min(stop, high) - low
    widths = [wide for _, wide in near]
    if low == 0 and high == len(text) and sum(widths) <= room:
        left, right = 0, len(near)
    else:
        # a third of the room stands before the place, unless the place is near the start of the line
        left, used = first, 0
        while left > 0 and used + widths[left - 1] <= room // 3:
            left -= 1
            used += widths[left]
        if low == 0 and sum(widths[:last]) + len(_DOTS) <= room * 2 // 3:
            left = 0
        dots = (len(_DOTS) if low + left else 0) + len(_DOTS)
        right, used = left, 0
        while right < len(near) and used + widths[right] <= room - dots:
            used += widths[right]
            right += 1
    lead = _DOTS if low + left else ""
    trail = _DOTS if low + right < len(text) else ""
    shown = lead + "".join(printed for printed, _ in near[left:right]) + trail
    before = len(lead) + sum(widths[left:first])
    under = max(1, sum(widths[first : min(last, right)]))
    return shown, before, under
