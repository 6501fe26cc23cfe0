"""Maps, lists and texts as lines of YAML."""

from __future__ import annotations

from typing import TypeAlias

from archdsl.lang.comments import Remarks
from archdsl.lang.yaml_scalar import WIDTH, holds, scalar, wrapped
from archdsl.source.record import dataclass, field

# YAML looks for the colon of a key only so far
_KEY_LENGTH = 900


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a map, or an element of a list (no key). `brief`: on one line, if it fits; `below`: comments after it."""

    key: str | None
    value: Value
    remarks: Remarks = field(default_factory=Remarks)
    brief: bool = False
    below: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Map:
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class List:
    entries: list[Entry]


Value: TypeAlias = str | Map | List


class Lines:
    """The lines made so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def remarks(self, comments: list[str], column: int) -> None:
        """Comments on lines of their own."""
        self.lines += [" " * column + comment for comment in comments if holds(comment)]

    def map(self, value: Map, column: int, *, dash: bool = False) -> None:
        """The entries of a map, each starting at a column; with a `dash` two columns before the first."""
        for index, entry in enumerate(value.entries):
            first = dash and index == 0
            # a comment cannot stand between the dash and what it belongs to
            self.remarks(entry.remarks.above, column - 2 if first else column)
            lead = " " * (column - 2) + "- " if first else " " * column
            key = scalar(entry.key or "", key=True)
            if len(key) > _KEY_LENGTH:
                self.lines.append(f"{lead}? {key}")
                lead, key = " " * column, ""
            self._value(entry, f"{lead}{key}:", column)
            self.remarks(entry.below, column)

    def list(self, value: List, column: int) -> None:
        """The elements of a list, each with its dash at a column."""
        for entry in value.entries:
            self.remarks(entry.remarks.above, column)
            body = entry.value
            # a line of a layout, or a map in pieces
            if isinstance(body, Map) and body.entries and not self._flow(entry, " " * column + "-"):
                self.map(body, column + 2, dash=True)
                self._behind(entry.remarks.end)
            else:
                self._value(entry, " " * column + "-", column)

    def _value(self, entry: Entry, start: str, column: int) -> None:
        """What follows a key or a dash."""
        value, remarks = entry.value, entry.remarks
        if isinstance(value, str):
            text = scalar(value)
            self.lines += wrapped(f"{start} ", text, " " * (column + 4))
            self._behind(remarks.end or remarks.opened)
            return
        flow = self._flow(entry, start)
        if flow:
            self.lines.append(f"{start} {flow}")
            self._behind(remarks.end or remarks.opened)
            self.remarks(remarks.below, column)
            return
        self.lines.append(start)
        self._behind(remarks.opened or remarks.end)
        if isinstance(value, Map):
            self.map(value, column + 2)
        else:
            self.list(value, column + 2)
        self.remarks(remarks.below, column + 2)
        if remarks.opened and remarks.end:
            self.remarks([remarks.end], column + 2)

    def _behind(self, comment: str) -> None:
        """A comment at the end of the last line."""
        if comment and holds(comment):
            self.lines[-1] += f"  {comment}"

    def _flow(self, entry: Entry, start: str) -> str:
        """The value in braces or brackets, or nothing where it has to stand on lines of its own."""
        assert not isinstance(entry.value, str)
        if not entry.value.entries:
            return "{}" if isinstance(entry.value, Map) else "[]"
        text = _flowing(entry.value) if entry.brief and not _remarked(entry.value) else ""
        return text if len(start) + 1 + len(text) <= WIDTH else ""


def _remarked(value: Value) -> bool:
    """Whether a comment stands inside, which needs lines of its own."""
    return not isinstance(value, str) and any(e.remarks or e.below or _remarked(e.value) for e in value.entries)


def _flowing(value: Value) -> str:
    if isinstance(value, str):
        return scalar(value, flow=True)
    inner = [_flowing(entry.value) for entry in value.entries]
    if isinstance(value, List):
        return "[" + ", ".join(inner) + "]"
    keys = [scalar(entry.key or "", flow=True, key=True) for entry in value.entries]
    return "{" + ", ".join(f"{key}: {text}" for key, text in zip(keys, inner, strict=True)) + "}"
