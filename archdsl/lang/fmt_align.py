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
    """Stages on one line each as a table: the fields that all of them have, in the same order, below each other."""
    if len(run) < 2:
        return
    rows = [entry.laid for entry in run]
    pads: list[dict[int, int]] = [{} for _ in rows]
    _names(rows, pads)
    columns = [_fields(row.pieces) for row in rows]
    for number in range(min(len(fields) for fields in columns)):
        cells = [fields[number] for fields in columns]
        keys = {_key(row.pieces, cell) for row, cell in zip(rows, cells, strict=True)}
        if len(keys) != 1 or "" in keys:
            break
        _cells(rows, cells, pads)
    widths = [len(row.text()) + sum(pad.values()) for row, pad in zip(rows, pads, strict=True)]
    if max(widths) + indent > WIDTH:
        return
    for row, pad in zip(rows, pads, strict=True):
        row.pads = {index: count for index, count in pad.items() if count}


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
    """Align one field: where the values differ in their numbers only, these stand to the right, else the values to the left."""
    parts = [row.pieces[start:end] for row, (start, end) in zip(rows, cells, strict=True)]
    if len({len(part) for part in parts}) == 1 and all(_alike(column) for column in zip(*parts, strict=True)):
        for offset, column in enumerate(zip(*parts, strict=True)):
            width = max(len(piece.text) for piece in column)
            for piece, (start, _), pad in zip(column, cells, pads, strict=True):
                pad[start + offset] = pad.get(start + offset, 0) + width - len(piece.text)
        return
    # blanks go behind the comma, so only values count that are followed by another field
    followed = [
        (end, len(text_of(part)), pad)
        for row, part, (_, end), pad in zip(rows, parts, cells, pads, strict=True)
        if row.pieces[end].text == ","
    ]
    for end, width, pad in followed:
        pad[end + 1] = max(width for _, width, _ in followed) - width


def _alike(column: tuple[Piece, ...]) -> bool:
    """Whether pieces are the same, but for numbers."""
    return all(piece.text == column[0].text or (piece.number and column[0].number) for piece in column)
