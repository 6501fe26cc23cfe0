"""Which item a comment belongs to, so that it can follow the item into another form."""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeAlias

from archdsl.lang import ast
from archdsl.source.record import dataclass, field
from archdsl.source.text import Source

Item: TypeAlias = (
    ast.FileItem | ast.StageItem | ast.ModelItem | ast.Expect | ast.Budget | ast.Require | ast.Objective | ast.Line
)
Holder: TypeAlias = ast.Arch | ast.Space | ast.Stage | ast.Default | ast.Position | ast.Layout
HOLDERS = (ast.Arch, ast.Space, ast.Stage, ast.Default, ast.Position, ast.Layout)


@dataclass(slots=True)
class Remarks:
    """The comments of one item: on lines `above` it, where it is `opened`, at the `end` of it, and `below` all it holds."""

    above: list[str] = field(default_factory=list)
    opened: str = ""
    end: str = ""
    below: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.above or self.opened or self.end or self.below)


class Comments:
    """The comments of a file by item; those that stand inside a value belong to none."""

    def __init__(self, file: ast.File) -> None:
        self._found: dict[int, Remarks] = {}
        # items are told apart by identity: two may be equal
        self._file = file
        self._attach(file, file.source, list(file.comments))

    def of(self, item: Item | ast.File) -> Remarks:
        """The comments of an item itself; of the file: what stands below its last item."""
        return self._found.get(id(item)) or Remarks()

    def within(self, item: Item) -> bool:
        """Whether an item or anything in it has a comment."""
        return bool(self._found) and (bool(self.of(item)) or any(self.within(inner) for inner in inside(item)))

    def _remarks(self, item: Item | ast.File) -> Remarks:
        return self._found.setdefault(id(item), Remarks())

    def _attach(self, holder: Item | ast.File, source: Source, comments: list[ast.Comment]) -> None:
        if not comments:
            return
        items = sorted(inside(holder), key=lambda item: item.span.start)
        starts = [item.span.start for item in items]
        held: dict[int, list[ast.Comment]] = {}
        for comment in comments:
            at = comment.span.start
            index = bisect_right(starts, at) - 1
            before = items[index] if index >= 0 else None
            if before and at < before.span.end:
                held.setdefault(index, []).append(comment)
            elif before and not comment.alone and "\n" not in source.text[before.span.end : at]:
                self._end(before, comment.text)
            elif not comment.alone and not isinstance(holder, ast.File) and "\n" not in source.text[holder.span.start : at]:
                self._remarks(holder).opened = comment.text
            elif comment.alone and before and (ended := _indented_below(before, comment)):
                self._remarks(ended).below.append(comment.text)
            elif index + 1 < len(items):
                self._remarks(items[index + 1]).above.append(comment.text)
            else:
                self._remarks(holder).below.append(comment.text)
        for index, found in held.items():
            if isinstance(items[index], HOLDERS):
                self._attach(items[index], source, found)

    def _end(self, item: Item, text: str) -> None:
        """A comment behind an item belongs to the innermost one that ends there."""
        while (inner := inside(item)) and inner[-1].span.end == item.span.end:
            item = inner[-1]
        self._remarks(item).end = text


def _indented_below(item: Item, comment: ast.Comment) -> Item | None:
    """What ended above a comment and holds it by indentation, as in YAML; in the text form braces say it."""
    found = None
    source = item.span.source
    column = source.line_column(comment.span.start)[1]
    while isinstance(item, HOLDERS) and not item.span.text.endswith("}"):
        own = source.line_column(item.span.start)[1]
        # the items of a model start where the model does; in a list that is behind the dash
        if column < own or (column == own and (column == 1 or not isinstance(item, ast.Arch | ast.Space))):
            break
        found = item
        if not inside(item):
            break
        item = inside(item)[-1]
    return found


def inside(item: Item | ast.File) -> tuple[Item, ...]:
    """The items directly in an item."""
    if isinstance(item, ast.Layout):
        return item.lines
    if isinstance(item, ast.File | ast.Arch | ast.Space | ast.Stage | ast.Default | ast.Position):
        return item.items
    return ()
