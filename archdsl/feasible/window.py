"""What the budgets of a space allow of each quantity."""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.feasible.structure import Structure
from archdsl.source.record import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """The least and the most of each quantity, both ends included; None where an end is open."""

    least: tuple[int | None, ...]
    most: tuple[int | None, ...]

    def holds(self, counts: Sequence[int]) -> bool:
        """Whether counts lie inside."""
        return all(
            (least is None or count >= least) and (most is None or count <= most)
            for count, least, most in zip(counts, self.least, self.most, strict=True)
        )


def window_of(structure: Structure) -> Window:
    """The window of a structure's budgets, in the order of its bounds."""
    least: list[int | None] = [None] * len(structure.bounds)
    most: list[int | None] = [None] * len(structure.bounds)
    for budget in structure.space.budgets:
        place = structure.place(budget)
        low, high = least[place], most[place]
        if budget.operator in ("<", "<="):
            limit = budget.limit - (budget.operator == "<")
            most[place] = limit if high is None else min(high, limit)
        else:
            limit = budget.limit + (budget.operator == ">")
            least[place] = limit if low is None else max(low, limit)
    return Window(tuple(least), tuple(most))
