"""Neighbouring lines below each other: the `=` of values, the clauses of expectations, the fields of stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from archdsl.lang import ast
from archdsl.lang.fmt_lines import WIDTH, Laid
from archdsl.lang.fmt_pieces import Piece, text_of


class Aligned(Protocol):
    """An item in its block."""

    item: object
    laid: Laid

    @property
    def inside(self) -> object | None: ...

    @property
    def apart(self) -> bool: ...


def align(entries: Sequence[Aligned], indent: int) -> None:
    """Pad the pieces of neighbours of one kind."""
    for run in _runs(entries):
        if isinstance(run[0].item, ast.Stage):
            _stages(run, indent)
        elif len(run) > 1:
            _pad(run, "equals", indent)
            if isinstance(run[0].item, ast.Expect | ast.Budget):
                _pad([entry for entry in run if entry.laid.index("clause") is not None], "clause", indent)


def _kind(entry: Aligned) -> str:
    match entry.item:
        case ast.Attribute() | ast.Head():
            return "value"
        case ast.Let(params=tuple()):
            return "function"
        case ast.Let() | ast.Node() | ast.Expect() | ast.Budget():
            return type(entry.item).__name__
        case ast.Stage() if getattr(entry.inside, "one_line", False):
            return "stage"
    return ""


def _runs(entries: Sequence[Aligned]) -> Iterator[list[Aligned]]:
    """Neighbours of one kind with nothing between them."""
    run: list[Aligned] = []
    for entry in entries:
        kind = _kind(entry)
        if run and (entry.apart or not kind or kind != _kind(run[0])):
            yield run
            run = []
        if kind:
            run.append(entry)
    if run:
        yield run


def _column(laid: Laid, index: int) -> int:
    """Where a piece would stand on a line."""
    return sum(piece.width + laid.pads.get(i, 0) for i, piece in enumerate(laid.pieces[:index]))


def _pad(run: Sequence[Aligned], role: str, indent: int) -> None:
    """Bring the first piece of a role into one column, if no line grows too long by it."""
    places = [(entry.laid, entry.laid.index(role)) for entry in run]
    found = [(laid, index, _column(laid, index)) for laid, index in places if index is not None]
    if len(found) < 2 or any(laid.comments for laid, _, _ in found):
        return
    target = max(column for _, _, column in found)
    if role == "clause" and any(indent + len(laid.text()) + target - column > WIDTH for laid, _, column in found):
        return
    for laid, index, column in found:
        if target > column:
            laid.pads[index] = target - column


def _fields(pieces: list[Piece]) -> list[tuple[int, int]]:
    """The items between the braces of a one-line block, as first piece and end; the comma is not part of them."""
    brace = next(i for i, piece in enumerate(pieces) if piece.text == "{")
    found: list[tuple[int, int]] = []
    start = brace + 1
    for i in range(brace + 1, len(pieces)):
        if (pieces[i].text == "," and pieces[i].depth == 0) or i == len(pieces) - 1:
            if i > start:
                found.append((start, i))
            start = i + 1
    return found


def _stages(run: Sequence[Aligned], indent: int) -> None:
    """Stages on one line each as a table: fields that several have in the same order stand below each other."""
    if len(run) < 2:
        return
    rows = [entry.laid for entry in run]
    pads: list[dict[int, int]] = [{} for _ in rows]
    _names(rows, pads)
    fields = [_fields(row.pieces) for row in rows]
    _fields_below(list(range(len(rows))), 0, rows, fields, pads)
    widths = [len(row.text()) + sum(pad.values()) for row, pad in zip(rows, pads, strict=True)]
    if max(widths) + indent > WIDTH:
        return
    for row, pad in zip(rows, pads, strict=True):
        row.pads = {index: count for index, count in pad.items() if count}


def _fields_below(
    chosen: list[int], number: int, rows: list[Laid], fields: list[list[tuple[int, int]]], pads: list[dict[int, int]]
) -> None:
    """Align the field `number` of rows that agree in the fields before it, and go on with those that agree in it too."""
    groups: dict[str, list[int]] = {}
    for i in chosen:
        if number < len(fields[i]) and (key := _key(rows[i].pieces, fields[i][number])):
            groups.setdefault(key, []).append(i)
    for group in groups.values():
        if len(group) > 1:
            _cells([rows[i] for i in group], [fields[i][number] for i in group], [pads[i] for i in group])
            _fields_below(group, number + 1, rows, fields, pads)


def _names(rows: list[Laid], pads: list[dict[int, int]]) -> None:
    braces = [next(i for i, piece in enumerate(row.pieces) if piece.text == "{") for row in rows]
    widths = [_column(row, brace) for row, brace in zip(rows, braces, strict=True)]
    for pad, brace, width in zip(pads, braces, widths, strict=True):
        pad[brace] = max(widths) - width


def _key(pieces: list[Piece], cell: tuple[int, int]) -> str:
    """What a field gives a value to; empty for a block."""
    words: list[str] = []
    for piece in pieces[cell[0] : cell[1]]:
        if piece.text == "=" and piece.depth == 1:
            return " ".join(words)
        words.append(piece.text)
    return ""


def _cells(rows: list[Laid], cells: list[tuple[int, int]], pads: list[dict[int, int]]) -> None:
    """Align one field: values that differ in their numbers only have these to the right; all values begin on the left."""
    parts = [row.pieces[start:end] for row, (start, end) in zip(rows, cells, strict=True)]
    widths = [len(text_of(part)) for part in parts]
    shapes = [tuple(None if piece.number else piece.text for piece in part) for part in parts]
    for shape in dict.fromkeys(shapes):
        alike = [i for i, other in enumerate(shapes) if other == shape]
        for offset in range(len(shape)):
            width = max(len(parts[i][offset].text) for i in alike)
            for i in alike:
                blanks = width - len(parts[i][offset].text)
                at = cells[i][0] + offset
                pads[i][at] = pads[i].get(at, 0) + blanks
                widths[i] += blanks
    # blanks go behind the comma, so only values count that are followed by another field
    followed = [i for i, (_, end) in enumerate(cells) if rows[i].pieces[end].text == ","]
    for i in followed:
        pads[i][cells[i][1] + 1] = max(widths[each] for each in followed) - widths[i]
