"""Tables of text, for a terminal, Markdown, LaTeX and a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from archdsl.source.cells import safe, text_width
from archdsl.source.record import dataclass

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\textquotedbl{}",
    **{char: "\\" + char for char in "#$%&_"},
}
_SIZE = re.compile(r"\b\d+(?:x\d+)+\b")
_INDENT = re.compile(r"^ +", re.MULTILINE)
# blanks between two columns
_GAP = 2


@dataclass(frozen=True, slots=True)
class Table:
    """A header and rows of cells; a cell may have several lines.

    `numbers` has the columns that are aligned right, counted from 0. `total` sets the last row apart.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    total: bool = False

    def __str__(self) -> str:
        return self.text()

    def text(self, *, unicode: bool = True, width: int | None = None) -> str:
        """Aligned columns. Without `unicode` the rules are ASCII.

        What is wider than `width` is set closer, or in several tables below each other, each with the first column.
        """
        for gap in (_GAP, 1):
            if width is None or sum(self._widths()) + gap * (len(self.header) - 1) <= width:
                return "\n".join(self.filled(self.rows, unicode=unicode, gap=gap))
        return "\n\n".join(part.text(unicode=unicode) for part in self._apart(width or 0))

    def filled(self, rows: Iterable[tuple[str, ...]], *, unicode: bool = True, gap: int = _GAP) -> Iterator[str]:
        """The lines with other rows, each as soon as it is there, in columns as wide as the table's own rows need."""
        widths = self._widths()
        rule = (" " * gap).join(("─" if unicode else "-") * width for width in widths)
        yield from self._padded(self.header, widths, gap)
        if self.rows:
            yield rule
        last = len(self.rows) - 1 if self.total else 0
        for index, row in enumerate(rows):
            if index and index == last:
                yield rule
            yield from self._padded(row, widths, gap)

    def _widths(self) -> list[int]:
        grid = [self._lines(row) for row in (self.header, *self.rows)]
        return [max((text_width(row[at]) for lines in grid for row in lines), default=0) for at in range(len(self.header))]

    def _apart(self, width: int) -> list[Table]:
        """Neighbouring columns as tables of a width, as few as there can be and about as wide as each other."""
        widths = self._widths()
        few = len(_groups(widths, width))
        groups = next(found for most in range(width + 1) if len(found := _groups(widths, most)) == few)
        return [self._chosen([0, *group]) for group in groups]

    def _chosen(self, columns: list[int]) -> Table:
        """Some of the columns, with the rows that have anything in them."""
        header, *rows = (tuple(row[at] for at in columns) for row in (self.header, *self.rows))
        numbers = frozenset(index for index, at in enumerate(columns) if at in self.numbers)
        return Table(header, tuple(row for row in rows if any(row[1:])), numbers, self.total)

    def markdown(self) -> str:
        """A table of GitHub's Markdown."""
        marks = ("---:" if at in self.numbers else "---" for at in range(len(self.header)))
        rows = [[_markdown(cell) for cell in row] for row in (self.header, *self.rows)]
        rows.insert(1, list(marks))
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def latex(self) -> str:
        """A `tabular` with the rules of `booktabs`. A table that is too wide for a page goes into a `\\resizebox`."""
        columns = "".join("r" if at in self.numbers else "l" for at in range(len(self.header)))
        lines = [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", _latex_row(self.header), r"\midrule"]
        for index, row in enumerate(self.rows):
            if self.total and index == len(self.rows) - 1:
                lines.append(r"\midrule")
            lines.append(_latex_row(row))
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """A `table` element without style of its own but the alignment."""
        head = "".join(f"<th>{_html(cell)}</th>" for cell in self.header)
        body = "".join(f"<tr>{''.join(self._html_cell(at, cell) for at, cell in enumerate(row))}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _html_cell(self, at: int, cell: str) -> str:
        side = "right" if at in self.numbers else "left"
        return f'<td style="text-align: {side}">{_html(cell)}</td>'

    def _lines(self, row: Iterable[str]) -> list[tuple[str, ...]]:
        return list(zip_longest(*(safe(cell).split("\n") for cell in row), fillvalue=""))

    def _padded(self, row: Iterable[str], widths: list[int], gap: int) -> Iterator[str]:
        for line in self._lines(row):
            yield (" " * gap).join(map(self._pad, line, widths, range(len(widths)))).rstrip()

    def _pad(self, text: str, width: int, at: int) -> str:
        gap = " " * (width - text_width(text))
        return gap + text if at in self.numbers else text + gap


def _groups(widths: list[int], most: int) -> list[list[int]]:
    """The columns but the first, in groups that are at most so wide together with it; one that is wider is alone."""
    groups: list[list[int]] = []
    taken = 0
    for at, wide in enumerate(widths[1:], start=1):
        if not groups or taken + _GAP + wide > most:
            groups.append([])
            taken = widths[0]
        groups[-1].append(at)
        taken += _GAP + wide
    return groups


def _markdown(cell: str) -> str:
    return _indented(safe(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*"))


def _html(cell: str) -> str:
    from html import escape

    return _indented(escape(safe(cell)))


def _indented(text: str) -> str:
    """Lines of a cell; blanks at the start of one mean nothing to HTML."""
    return _INDENT.sub(lambda match: "&nbsp;" * len(match[0]), text).replace("\n", "<br>")


def _latex_row(row: Iterable[str]) -> str:
    return " & ".join(_latex(cell) for cell in row) + r" \\"


def _latex(cell: str) -> str:
    lines = list(map(_latex_line, safe(cell).split("\n")))
    stacked = r" \\ ".join(lines)
    return lines[0] if len(lines) == 1 else rf"\begin{{tabular}}[t]{{@{{}}l@{{}}}}{stacked}\end{{tabular}}"


def _latex_line(line: str) -> str:
    text = line.lstrip(" ")
    # blanks at the start of a line mean nothing to LaTeX; a bracket or star behind the line break before would be its argument
    indent = r"\quad " * ((len(line) - len(text)) // 2) or "{}" * text.startswith(("[", "*"))
    shown = "".join(_LATEX.get(char, char) for char in text)
    return indent + _SIZE.sub(lambda match: "$" + match[0].replace("x", r" \times ") + "$", shown)
