"""Pieces laid out on lines of at most a hundred columns, with the comments that stand among them."""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.lang.ast import Comment
from archdsl.lang.fmt_pieces import Piece, text_of
from archdsl.source.record import dataclass, field

WIDTH = 100


@dataclass(slots=True)
class Row:
    """A line of output: a text, a comment, or both; neither: a blank line."""

    text: str = ""
    comment: str = ""
    # whether the comment stands alone, at the indentation of `text`
    alone: bool = False


@dataclass(slots=True)
class Laid:
    """The pieces of an item with what its source says about them."""

    pieces: list[Piece]
    # comments right before a piece, by its index
    comments: dict[int, list[Comment]] = field(default_factory=dict)
    # pieces that begin a line in the source
    broken: set[int] = field(default_factory=set)
    # blanks put before a piece, to align it with its neighbours
    pads: dict[int, int] = field(default_factory=dict)

    def index(self, role: str) -> int | None:
        """The first piece of a role."""
        return next((i for i, piece in enumerate(self.pieces) if piece.role == role), None)

    def text(self) -> str:
        """All of it on one line."""
        blanks = (" " * ((piece.gap and i > 0) + self.pads.get(i, 0)) for i, piece in enumerate(self.pieces))
        return "".join(blank + piece.text for blank, piece in zip(blanks, self.pieces, strict=True))


def comment_rows(comments: Iterable[Comment], indent: int) -> list[Row]:
    return [Row(" " * indent, comment.text, True) for comment in comments]


def lay(laid: Laid, indent: int) -> list[Row]:
    """The lines of one item at an indentation."""
    whole = " " * indent + laid.text()
    if not laid.comments and len(whole) <= WIDTH:
        return [Row(whole)]
    return _Layer(laid, indent).rows()


class _Layer:
    """Breaks an item that does not fit: before `->` and `|` at its top and before clauses, else behind commas."""

    def __init__(self, laid: Laid, indent: int) -> None:
        self.laid = laid
        self.pieces = laid.pieces
        self.indent = indent
        # where the value begins: what goes on in the next line stands below it
        self.column = indent + 4
        self.done: list[Row] = []
        self.line = " " * indent
        self.fresh = True
        # the part being written is too wide for any line
        self.wide = False

    def rows(self) -> list[Row]:
        for index, piece in enumerate(self.pieces):
            self._before(index, piece)
            if not self.fresh:
                self.line += " " * (piece.gap + self.laid.pads.get(index, 0))
            if piece.role == "begin":
                self.column = len(self.line)
            self.line += piece.text
            self.fresh = False
        self.done.append(Row(self.line))
        return self.done

    def _before(self, index: int, piece: Piece) -> None:
        target = self._target(piece)
        if comments := self.laid.comments.get(index):
            first, rest = comments[0], comments[1:]
            if first.alone:
                rest = comments
                self._end()
            else:
                self._end(first.text)
            self.done += comment_rows(rest, target)
            self._start(target)
        if piece.role in ("join", "clause"):
            width = self._part(index)
            if not self.fresh and (index in self.laid.broken or len(self.line) + width > WIDTH):
                self._end()
                self._start(target)
            self.wide = len(self.line) + width > WIDTH
        elif index == 0 or piece.role == "begin":
            self.wide = len(self.line) + self._part(index) > WIDTH
        elif self.wide and not self.fresh and piece.gap and self.pieces[index - 1].text == ",":
            end = next((i for i in range(index, len(self.pieces)) if self.pieces[i].text == ","), len(self.pieces) - 1)
            if len(self.line) + 1 + len(text_of(self.pieces[index : end + 1])) > WIDTH:
                self._end()
                self._start(target)

    def _part(self, index: int) -> int:
        """The width from a piece up to the next place for a break."""
        total = 0
        for i in range(index, len(self.pieces)):
            if i > index and self.pieces[i].role in ("join", "clause"):
                break
            total += self.pieces[i].width + self.laid.pads.get(i, 0)
        return total

    def _target(self, piece: Piece) -> int:
        if piece.role == "join":
            return max(self.column - len(piece.text) - 1, self.indent + 2)
        if piece.role == "clause":
            return self.indent + 4
        return self.column + 2 * piece.depth

    def _end(self, comment: str = "") -> None:
        if not self.fresh:
            self.done.append(Row(self.line, comment))
        elif comment:
            self.done.append(Row(self.line, comment, True))

    def _start(self, column: int) -> None:
        self.line = " " * column
        self.fresh = True


def printed(rows: list[Row]) -> str:
    """The text of lines; comments at the end of neighbouring lines stand below each other."""
    lines: list[str] = []
    start = 0
    while start < len(rows):
        row = rows[start]
        if not row.comment or row.alone:
            lines.append((row.text + row.comment).rstrip())
            start += 1
            continue
        end = start
        while end < len(rows) and rows[end].comment and not rows[end].alone:
            end += 1
        column = max(len(each.text) for each in rows[start:end]) + 2
        lines += [each.text.ljust(column) + each.comment for each in rows[start:end]]
        start = end
    return "".join(f"{line}\n" for line in lines)
