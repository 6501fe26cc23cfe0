"""Texts from outside: read within limits, and refused where they are no text."""

from __future__ import annotations

import os
import re
import stat

from archdsl.source.diagnostic import Report
from archdsl.source.limits import FILE_BYTES
from archdsl.source.text import Source, Span

# C0 without tab and the line breaks, DEL, C1, the line separators of Unicode, the marks that change the direction of
# text, and a byte order mark anywhere but at the start; a carriage return must stand before a line feed
_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]|\r(?!\n)"
)
_BOM = b"\xef\xbb\xbf"
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_source(path: str, report: Report, *, name: str = "") -> Source:
    """The text of a file, known to the reader as `name` (the path as given, if empty).

    Reports `unreadable-file`, `limit-exceeded` or `not-text` and raises `Reported`. Never blocks: what is no regular
    file is not opened.
    """
    shown = name or path.replace(os.sep, "/")
    try:
        _refuse_kind(os.stat(path), shown, report)
        # between the look and the opening the file may have become a pipe
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            _refuse_kind(os.fstat(handle), shown, report)
            with os.fdopen(os.dup(handle), "rb") as file:
                data = file.read(FILE_BYTES + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL in it
        reason = (getattr(error, "strerror", None) or "not a path").lower()
        report.fail("unreadable-file", f"{_quoted(shown)} cannot be read: {reason}", help="check the path")
    return source_from_bytes(shown, data, report)


def source_from_bytes(name: str, data: bytes, report: Report) -> Source:
    """A source from bytes at hand, such as those of a stream. `Source.text` is without a byte order mark."""
    if len(data) > FILE_BYTES:
        _refuse_size(name, f"more than {FILE_BYTES:_}", report)
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        byte = f"byte 0x{error.object[error.start]:02X}"
        _refuse_text(name, before, f"{byte} is not UTF-8", report)
    return source_from_text(name, text, report)


def source_from_text(name: str, text: str, report: Report) -> Source:
    """A source from text at hand, under the same limits."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > FILE_BYTES:
        _refuse_size(name, f"{size:_}", report)
    text = text.removeprefix("\ufeff")
    if found := _REFUSED.search(text):
        char = found[0]
        what = "a carriage return alone" if char == "\r" else _kind_of(char)
        _refuse_text(name, text[: found.start()], f"U+{ord(char):04X} is {what}", report)
    return Source(name, text)


def _kind_of(char: str) -> str:
    if char == "\ufeff":
        return "a byte order mark inside the text"
    if "\ud800" <= char <= "\udfff":
        return "half a character"
    if char in "\u2028\u2029":
        return "a line break that editors show in different ways"
    return "a control character" if char < "\u0100" else "a mark that changes the direction of text"


def _refuse_kind(status: os.stat_result, name: str, report: Report) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((word for test, word in _KINDS if test(status.st_mode)), "no regular file")
        help = "name a file in it" if kind == "a directory" else "give the path of a regular file"
        report.fail("unreadable-file", f"{_quoted(name)} is {kind}", help=help)
    if status.st_size > FILE_BYTES:
        _refuse_size(name, f"{status.st_size:_}", report)


def _refuse_size(name: str, size: str, report: Report) -> None:
    report.fail(
        "limit-exceeded", f"a spec has at most {FILE_BYTES:_} bytes, {_quoted(name)} has {size}", help="is it a spec at all?"
    )


def _refuse_text(name: str, before: str, label: str, report: Report) -> None:
    # a file that is no spec is not shown: in its place stands a blank text with the same lines and columns
    blank = re.sub(r"[^\n]", " ", before)
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    source = Source(name, blank + " ")
    report.fail(
        "not-text",
        f"a spec is plain text in UTF-8: {label}, line {line}, column {column}",
        Span(source, len(blank), len(blank) + 1),
        label,
        help="remove it, or check that this file is a spec",
    )


def _quoted(name: str) -> str:
    """A path in backticks, shortened, without characters that could steer a terminal."""
    clean = "".join(char if char.isprintable() else "?" for char in name)
    return f"`{clean}`" if len(clean) <= 200 else f"`...{clean[-200:]}`"
