"""The canonical text of a spec. There are no options."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from archdsl.lang import ast
from archdsl.lang.fmt_align import align
from archdsl.lang.fmt_lines import WIDTH, Laid, Row, comment_rows, lay, printed
from archdsl.lang.fmt_pieces import Piece, block_pieces, expression_pieces, item_pieces, text_of
from archdsl.lang.tokens import Token, scan
from archdsl.source.diagnostic import Report
from archdsl.source.record import dataclass, field

_BLOCKS = (ast.Arch, ast.Space, ast.Stage, ast.Default, ast.Position, ast.Layout)


def format_file(file: ast.File) -> str:
    """The canonical text of a file, with all its comments.

    Works for a tree without positions too: one made by code, or whose spans are places of other sources.
    """
    return _Formatter(file).text()


def format_expression(expr: ast.Expr) -> str:
    """The canonical text of an expression, on one line."""
    return text_of(expression_pieces(expr))


@dataclass(slots=True)
class Entry:
    """An item in its block, with the comments that belong to its lines."""

    item: Any
    laid: Laid
    # comments above it; each with whether a blank line stands before it
    above: list[tuple[ast.Comment, bool]] = field(default_factory=list)
    blank: bool = False
    comment: str = ""
    # comments in the item, but behind all that is printed of it
    late: list[ast.Comment] = field(default_factory=list)
    # for an item with a block
    inside: _Inside | None = None

    @property
    def apart(self) -> bool:
        """Whether something stands between this item and the one above."""
        return self.blank or bool(self.above)


@dataclass(slots=True)
class _Inside:
    """What stands between braces: items, the comments below the last, and one behind the `{`."""

    entries: list[Entry]
    below: list[tuple[ast.Comment, bool]]
    opening: str = ""
    one_line: bool = False


class _Formatter:
    def __init__(self, file: ast.File) -> None:
        self.file = file
        self.source = file.source
        self.tokens: list[Token] = []
        if self.source.text:
            self.tokens = scan(self.source, 0, len(self.source.text), Report()).tokens[:-1]
        self.starts = [token.start for token in self.tokens]
        self.comments = sorted(file.comments, key=lambda comment: comment.span.start)
        self.comment_starts = [comment.span.start for comment in self.comments]

    def text(self) -> str:
        inside = self._inside(self.file.items, 0, len(self.source.text), "")
        inside.entries = _sorted_imports(inside.entries)
        return printed(self._rows(inside, 0))

    # --- where things stand in the source ---

    def _placed(self, item: Any) -> bool:
        span = item.span
        return span is not None and span.source is self.source and span.end > span.start

    def _between(self, start: int, end: int) -> list[ast.Comment]:
        return self.comments[bisect_left(self.comment_starts, start) : bisect_left(self.comment_starts, end)]

    def _blank(self, start: int, end: int) -> bool:
        """Whether there is an empty line in a piece of the source."""
        lines = self.source.text[start:end].split("\n")
        return any(not line.strip() for line in lines[1:-1])

    def _tokens(self, start: int, end: int) -> list[Token]:
        return self.tokens[bisect_left(self.starts, start) : bisect_left(self.starts, end)]

    # --- from syntax to entries ---

    def _inside(self, items: Sequence[Any], start: int, end: int, opener: str) -> _Inside:
        """The items of a block whose inside is `start` to `end` of the source."""
        inside = _Inside([], [])
        # what comes next is behind `at`, the end of the last item, and behind `last`, the end of the last item or comment
        at = last = start
        for item in items:
            if self._placed(item) and at <= item.span.start <= item.span.end <= end:
                last = self._collect(inside, at, last, item.span.start, opener)
                entry = self._entry(item)
                entry.blank = self._blank(last, item.span.start)
                at = last = item.span.end
            else:
                entry = self._entry(item)
                entry.blank = bool(inside.entries) and _apart(inside.entries[-1].item, item)
            entry.above, inside.below = inside.below, []
            inside.entries.append(entry)
            for comment in entry.late:
                if comment.alone or entry.comment:
                    inside.below.append((comment, False))
                else:
                    entry.comment = comment.text
        self._collect(inside, at, last, end, opener)
        return inside

    def _collect(self, inside: _Inside, at: int, last: int, end: int, opener: str) -> int:
        """Take the comments from `at`, where the last item ended, to `end`; returns where the last of them ends."""
        for comment in self._between(at, end):
            entry = inside.entries[-1] if inside.entries else None
            # what is left between items are commas: a comment that does not stand alone is behind an item or a brace
            free = not comment.alone and not inside.below
            if free and entry is not None and not entry.comment:
                entry.comment = comment.text
            elif free and entry is None and opener and not inside.opening:
                inside.opening = comment.text
            else:
                inside.below.append((comment, self._blank(last, comment.span.start)))
            last = comment.span.end
        return last

    def _entry(self, item: Any) -> Entry:
        if not isinstance(item, _BLOCKS):
            late: list[ast.Comment] = []
            return Entry(item, self._laid(item, item_pieces(item), late), late=late)
        laid = Laid(block_pieces(item))
        word = laid.pieces[0].text
        children: Sequence[Any] = item.lines if isinstance(item, ast.Layout) else item.items
        tokens = self._tokens(item.span.start, item.span.end) if self._placed(item) else []
        brace = next((token for token in tokens if token.kind == "LBRACE"), None)
        if brace is None:
            inside = self._inside(children, 0, 0, word)
            nested = any(isinstance(child, _BLOCKS) for child in children)
            inside.one_line = not children or (isinstance(item, ast.Stage) and not nested)
            return Entry(item, laid, inside=inside)
        inside = self._inside(children, brace.end, item.span.end - 1, word)
        written = "\n" not in self.source.text[item.span.start : item.span.end]
        plain = not inside.below and not inside.opening and not self._between(item.span.start, item.span.end)
        inside.one_line = plain and (written or not children)
        if header := self._between(item.span.start, brace.start):
            # comments before the brace go behind it
            if inside.opening:
                header.append(ast.Comment(inside.opening, True, item.span))
            inside.opening, more = header[0].text, [(comment, False) for comment in header[1:]]
            first = inside.entries[0].above if inside.entries else inside.below
            first[:0] = more
        return Entry(item, laid, inside=inside)

    def _laid(self, item: Any, pieces: list[Piece], late: list[ast.Comment]) -> Laid:
        """Pieces with the comments and line breaks among them."""
        laid = Laid(pieces)
        if not self._placed(item):
            return laid
        start, end = item.span.start, item.span.end
        if "\n" not in self.source.text[start:end]:
            return laid
        tokens = self._tokens(start, end)
        comments = self._between(start, end)
        at = 0
        for index, piece in enumerate(pieces):
            match = next((i for i in range(at, len(tokens)) if self._says(tokens[i], piece)), None)
            # what is skipped are parentheses and commas that canonical text does without
            if match is None or any(self._text(token) not in "(),[]" for token in tokens[at:match]):
                continue
            token = tokens[match]
            before = tokens[match - 1].end if match else start
            if index and "\n" in self.source.text[before : token.start]:
                laid.broken.add(index)
            while comments and comments[0].span.start < token.start:
                laid.comments.setdefault(index, []).append(comments.pop(0))
            at = match + 1
        late += comments
        return laid

    def _text(self, token: Token) -> str:
        return self.source.text[token.start : token.end]

    def _says(self, token: Token, piece: Piece) -> bool:
        if token.kind == "SHAPE":
            # sizes are printed from their numbers
            return piece.number and "x" in piece.text
        return self._text(token) == piece.text

    # --- from entries to lines ---

    def _rows(self, inside: _Inside, indent: int) -> list[Row]:
        rows: list[Row] = []
        entries = inside.entries
        for entry in entries:
            if entry.inside is not None and entry.inside.one_line:
                pieces = self._one_line(entry)
                entry.inside.one_line = indent + len(text_of(pieces)) <= WIDTH
                if entry.inside.one_line:
                    entry.laid = Laid(pieces)
        align(entries, indent)
        for index, entry in enumerate(entries):
            for position, (comment, blank) in enumerate(entry.above):
                if blank and (index or position):
                    rows.append(Row())
                rows += comment_rows([comment], indent)
            if entry.blank and (index or entry.above):
                rows.append(Row())
            rows += self._entry_rows(entry, indent)
        for position, (comment, blank) in enumerate(inside.below):
            if blank and (entries or position):
                rows.append(Row())
            rows += comment_rows([comment], indent)
        return rows

    def _entry_rows(self, entry: Entry, indent: int) -> list[Row]:
        if entry.inside is None or entry.inside.one_line:
            rows = lay(entry.laid, indent)
        else:
            head = entry.laid
            head.pads.clear()
            rows = lay(head, indent)
            rows[-1].comment = entry.inside.opening
            rows += self._rows(entry.inside, indent + 2)
            rows.append(Row(" " * indent + "}"))
        rows[-1].comment = rows[-1].comment or entry.comment
        return rows

    def _one_line(self, entry: Entry) -> list[Piece]:
        """A block behind its head."""
        assert entry.inside is not None
        pieces = list(entry.laid.pieces)
        for index, child in enumerate(entry.inside.entries):
            inner = child.laid.pieces if child.inside is None else self._one_line(child)
            if index:
                pieces.append(Piece(","))
            pieces.append(Piece(inner[0].text, True, "", inner[0].depth + 1, inner[0].number))
            pieces += [Piece(piece.text, piece.gap, "", piece.depth + 1, piece.number) for piece in inner[1:]]
        pieces.append(Piece("}", bool(entry.inside.entries)))
        return pieces


def _sorted_imports(entries: list[Entry]) -> list[Entry]:
    """Imports that stand together in the order of their paths; a blank line parts them."""
    done: list[Entry] = []
    run: list[Entry] = []
    for entry in entries:
        parted = entry.blank or any(blank for _, blank in entry.above)
        if run and (parted or not isinstance(entry.item, ast.Import)):
            done += _sorted_run(run)
            run = []
        if isinstance(entry.item, ast.Import):
            run.append(entry)
        else:
            done.append(entry)
    return done + _sorted_run(run)


def _sorted_run(run: list[Entry]) -> list[Entry]:
    if len(run) < 2:
        return run
    # comments above a blank line belong to the place, those below it to the import
    first = run[0]
    parts = [index for index, (_, blank) in enumerate(first.above) if blank]
    cut = len(first.above) if first.blank else parts[-1] if parts else 0
    header, first.above = first.above[:cut], first.above[cut:]
    parted = first.blank or bool(parts)
    first.blank = False
    if first.above:
        first.above[0] = (first.above[0][0], False)
    run.sort(key=lambda entry: entry.item.path.value)
    first = run[0]
    if first.above:
        first.above[0] = (first.above[0][0], parted)
    else:
        first.blank = parted
    first.above = header + first.above
    return run


def _apart(before: Any, item: Any) -> bool:
    """Whether a blank line parts two items that were never written: blocks, and items of different kinds."""
    if isinstance(before, ast.Stage) and isinstance(item, ast.Stage):
        return False
    return isinstance(before, _BLOCKS) or isinstance(item, _BLOCKS) or type(before) is not type(item)
