"""What `archdsl verify` prints for a reader: a few rows for each spec, and below them the reasons that are recorded."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from archdsl.ir.expect import Expectation
from archdsl.report.table import Table
from archdsl.report.written import exact
from archdsl.source.cells import text_width
from archdsl.verifying import Compared, Row, Verified

_HEADER = ("spec", "count", "published", "closed form", "fvcore", "sum of parts", "")
_NUMBERS = frozenset({3, 4, 5})
# without what is measured
_COUNTED = (0, 1, 2, 3, 6)
_EQUAL = "="

Cells = tuple[str, ...]


class Reasons:
    """The reasons that specs record, each with its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        """The number of a reason; the same reason has one number."""
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def mark(self, entry: Expectation) -> str:
        """` [1]` behind a number that differs for a reason."""
        return f" [{self.number(entry.because)}]" if entry.status == "recorded" and entry.because else ""

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Number and reason of each."""
        return ((number, reason) for reason, number in self._numbers.items())


class Rows:
    """The rows of one run. `narrow`: what is equal to the closed form is not written out again."""

    def __init__(self, planned: Sequence[Verified], *, measured: bool, narrow: bool = False) -> None:
        self._columns = range(len(_HEADER)) if measured else _COUNTED
        self._narrow = narrow
        self._reasons = Reasons()
        # how wide a column gets is known before anything is measured: what is measured should be the same
        rows = tuple(row for spec in planned for row in self._spec(spec, expected=measured))
        numbers = frozenset(at for at, column in enumerate(self._columns) if column in _NUMBERS)
        self._frame = Table(self._chosen(_HEADER), rows, numbers)
        self._reasons = Reasons()

    @property
    def width(self) -> int:
        """Cells of the longest line as planned."""
        return max(map(text_width, self._frame.text().splitlines()))

    def lines(self, found: Iterable[Verified], *, unicode: bool = True) -> Iterator[str]:
        """The lines of the table, those of a spec as soon as it is there."""
        return self._frame.filled((row for spec in found for row in self._spec(spec)), unicode=unicode)

    def notes(self, width: int) -> str:
        """The reasons of all that was told so far."""
        notes = ((f"[{number}] ", reason) for number, reason in self._reasons.numbered())
        return "\n".join(
            textwrap.fill(reason, width, initial_indent=mark, subsequent_indent=" " * len(mark)) for mark, reason in notes
        )

    def _spec(self, found: Verified, *, expected: bool = False) -> list[Cells]:
        rows = [self._row(found, row, expected) for row in found.rows]
        if found.measured:
            rows += map(_golden, found.compared) if found.goldens else [("logits", "", "", "", "", "no golden")]
        if found.spec is None:
            rows = [("", "", "", "", "", "CANNOT BE READ")]
        name = f"{found.name}, fused" if found.fuse else found.name
        return [self._chosen(("" if index else name, *row)) for index, row in enumerate(rows)]

    def _chosen(self, cells: Cells) -> Cells:
        return tuple(cells[column] for column in self._columns)

    def _row(self, found: Verified, row: Row, expected: bool) -> Cells:
        said = row.quantity if row.quantity == "params" and row.at == _own(found) else f"{row.quantity} {row.at}"
        by = "" if row.rule == ("fused" if found.fuse else "fvcore") else f" by {row.rule}"
        published = ", ".join(f"{each.written}{self._reasons.mark(each)}" for each in row.expectations if not each.bound.exact)
        sides = (row.closed, row.closed) if expected else (row.measured, row.parts)
        shown = ("" if side is None else self._side(side, row.closed) for side in sides)
        return (said + by, published, exact(row.closed), *shown, self._status(row))

    def _side(self, side: int, closed: int) -> str:
        return _EQUAL if self._narrow and side == closed else exact(side)

    def _status(self, row: Row) -> str:
        said = [] if row.equal else ["DIFFERENT"]
        said += [f"NOT {each.written}" for each in row.expectations if each.status == "fails"]
        if any(each.bound.exact and each.status == "holds" for each in row.expectations):
            said.append("exact")
        said += [f"not {each.written}{self._reasons.mark(each)}" for each in row.expectations if _is_odd(each)]
        if said:
            return ", ".join(said)
        return "holds" if row.expectations else "nothing expected"


def _is_odd(entry: Expectation) -> bool:
    """Whether an exact line has another count on record."""
    return entry.bound.exact and entry.status == "recorded"


def _golden(compared: Compared) -> Cells:
    golden = compared.golden
    form = golden.name + ", fused" * golden.fuse
    accepted = f"{golden.tolerance:.0e} accepted"
    if compared.error is None:
        status = f"NOT COMPARED: {form}"
    else:
        status = f"{'' if compared.holds else 'FAILS: '}{compared.error:.1e} of {accepted}: {form}"
    return f"logits {golden.size}", "", "", "", "", status


def _own(found: Verified) -> object:
    return found.spec.network.image.size if found.spec else None
