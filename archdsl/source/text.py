"""A text and places in it."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from archdsl.source.record import dataclass, field


@dataclass(frozen=True, eq=False)
class Source:
    """A text with the name a reader knows it by.

    Two sources are equal only when they are the same object: a file read twice is two texts.
    """

    name: str
    text: str = field(repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(i + 1 for i, char in enumerate(self.text) if char == "\n")
        return starts

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both counted from 1."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line counted from 1, without its line break."""
        start = self._line_starts[number - 1]
        last = number >= len(self._line_starts)
        end = len(self.text) if last else self._line_starts[number] - 1
        return self.text[start:end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to, not including, `end` of a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of another in the same source."""
        return Span(self.source, self.start, max(self.end, other.end))

    def head(self) -> Span:
        """The first word, or the first character if it is no word: the place of something too long to underline."""
        text = self.source.text
        end = self.start
        while end < self.end and (text[end].isalnum() or text[end] == "_"):
            end += 1
        return Span(self.source, self.start, max(end, min(self.start + 1, self.end)))

    def after(self) -> Span:
        """The empty place right after this span."""
        return Span(self.source, self.end, self.end)
