"""Published models to stand beside what a search found: packaged specs with their own numbers, none of them measured here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.api import Spec, load
from archdsl.ir.library import packaged_names
from archdsl.ir.rules import counted
from archdsl.source.diagnostic import SpecError

if TYPE_CHECKING:
    from archdsl.ir.space import Budget, Space

# without a lower bound, what is far smaller than the budget allows is no neighbour
_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class Published:
    """A packaged spec. `expected` is what it says the paper counts, `params` and `flops` what it counts in closed form."""

    name: str
    params: int
    flops: int
    expected: tuple[str, ...]


def published(spec: Spec) -> tuple[Published, ...]:
    """The packaged specs that are of the base's family, or in the budgets of a space, at its input and classes; by flops.

    The family of a base is what shares an arch that it extends, or the first word of its name. In the budgets is what keeps
    them all, with at least half of what each that has no lower bound allows.
    """
    assert spec.space is not None
    space = spec.space
    found = []
    for name in packaged_names():
        try:
            other = load(f"@{name}")
        except SpecError:
            # a broken installation is told elsewhere
            continue
        here, base = other.network, space.base_network
        comparable = (here.image, here.classes) == (base.image, base.classes)
        if comparable and (_related(space, other) or _in_band(space, other)) and other.hash != spec.hash:
            expected = tuple(str(line) for line in other.expectations)
            found.append(Published(name, other.params, other.flops, expected))
    return tuple(sorted(found, key=lambda entry: (entry.flops, entry.name)))


def _related(space: Space, other: Spec) -> bool:
    base = space.base_model
    return base.name.partition("_")[0] == other.name.partition("_")[0] or bool({*base.lineage} & {*other.model.lineage})


def _in_band(space: Space, other: Spec) -> bool:
    size = other.network.image.size
    budgets = [budget for budget in space.budgets if budget.at in (None, size)]
    if not budgets or not space.within_budget(other.network):
        return False
    from_below = {(budget.quantity, budget.rule) for budget in budgets if _is_lower(budget)}
    counts = counted(other.network, {(budget.quantity, budget.rule) for budget in budgets})
    return all(
        counts[budget.quantity, budget.rule] >= _NEAR * budget.limit
        for budget in budgets
        if not _is_lower(budget) and (budget.quantity, budget.rule) not in from_below
    )


def _is_lower(budget: Budget) -> bool:
    return budget.operator in (">", ">=")
