"""Closed-form cost: counted from the shapes alone, by fvcore's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archdsl.source.record import dataclass, field


def _merged(costs: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for cost in costs:
        for name, count in cost.items():
            total[name] = total.get(name, 0) + count
    return total


@dataclass(frozen=True, slots=True)
class Cost:
    """Operations for one image.

    `ops` has what fvcore counts, under fvcore's own names (`conv`, `linear`, `matmul`, `layer_norm`, `batch_norm`,
    `adaptive_avg_pool2d`, ...): one multiply-add is one operation, biases are free, a layer norm is five an element,
    a batch norm in evaluation two. `unseen` has the additions and multiplications that fvcore has no rule for: one an
    element of the result of an elementwise `add`, `sub`, `mul` or `div`, one an element of the input of a `mean` or `sum`.
    """

    ops: Mapping[str, int] = field(default_factory=dict)
    unseen: Mapping[str, int] = field(default_factory=dict)

    @property
    def flops(self) -> int:
        return sum(self.ops.values())

    @property
    def unseen_flops(self) -> int:
        return sum(self.unseen.values())

    def __add__(self, other: Cost) -> Cost:
        return Cost.total((self, other))

    @staticmethod
    def total(costs: Iterable[Cost]) -> Cost:
        every = tuple(costs)
        return Cost(_merged(c.ops for c in every), _merged(c.unseen for c in every))


FREE = Cost()
