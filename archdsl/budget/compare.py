"""The closed form beside the measured count. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.ir.counts import Closed
from archdsl.schema.cost import Cost

if TYPE_CHECKING:
    from archdsl.budget.fvcore_count import Measured


@dataclass(frozen=True, slots=True)
class Row:
    """One count, both ways."""

    name: str
    closed: int
    measured: int

    @property
    def equal(self) -> bool:
        return self.closed == self.measured


@dataclass(frozen=True, slots=True)
class Comparison:
    """Parameters and operations in total, operations by operator and by part, parameters by part.

    `unseen` has the additions and multiplications outside fvcore's rules by operator, which only the closed form knows.
    """

    params: Row
    flops: Row
    ops: tuple[Row, ...]
    parts: tuple[Row, ...]
    params_by_part: tuple[Row, ...]
    unseen: Mapping[str, int]

    def __iter__(self) -> Iterator[Row]:
        """All rows."""
        yield self.params
        yield self.flops
        yield from self.ops
        yield from self.parts
        yield from self.params_by_part

    @property
    def equal(self) -> bool:
        """Whether every count is the same both ways."""
        return all(row.equal for row in self)

    @property
    def differing(self) -> tuple[Row, ...]:
        return tuple(row for row in self if not row.equal)


def compare(closed: Closed, measured: Measured) -> Comparison:
    """Put two counts of one network side by side."""
    flops_of = {level: cost.flops for level, cost in closed.parts.items()}
    return Comparison(
        params=Row("params", closed.params, measured.params),
        flops=Row("flops", closed.flops, measured.flops),
        ops=_rows(_counted(closed.cost), measured.ops),
        parts=_rows(flops_of, measured.parts),
        params_by_part=_rows(closed.params_by_part, measured.params_by_part),
        unseen=dict(sorted(closed.cost.unseen.items())),
    )


def _counted(cost: Cost) -> dict[str, int]:
    return {name: count for name, count in cost.ops.items() if count}


def _rows(closed: Mapping[str, int], measured: Mapping[str, int]) -> tuple[Row, ...]:
    names = dict.fromkeys([*closed, *measured])
    return tuple(Row(name, closed.get(name, 0), measured.get(name, 0)) for name in names)
