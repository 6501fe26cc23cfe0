"""Spaces drawn at random against all their points, built and counted one by one."""

from __future__ import annotations

from random import Random

import pytest

import archdsl
from archdsl.feasible import Feasible
from archdsl.ir.rules import counted
from archdsl.ir.space import Space
from archdsl.schema.units import Size
from tests.feasible.spaces import RULES, Drawing
from tests.feasible.support import Reading, every_point

SLOW_SEEDS = 160


def _space(text: str) -> Space | None:
    try:
        return archdsl.loads(text, name="small").space
    except archdsl.SpecError:
        return None


def _budget(space: Space, random: Random) -> str | None:
    """A budget whose bound is the count of some point, so that it tells the points apart."""
    rule, quantity = random.choice(RULES), random.choice(["flops", "params"])
    by = rule.split("by ")[1] if "by" in rule else "fvcore"
    at = next((Size(size, size) for size in (24, 32) if f"at {size}x" in rule), None)
    try:
        network = space.network(space.draw(random, require=False), at=at)
    except archdsl.SpecError:
        return None
    limit = counted(network, [(quantity, by)])[quantity, by]
    return f"budget {quantity} {random.choice(['<=', '<', '<=', '>=', '>'])} {limit}{rule}"


def drawn_space(seed: int, most: int) -> Space | None:
    """A space of at most that many points; None where what was drawn is larger, or means nothing."""
    drawing, random = Drawing(seed), Random(-seed)
    space = _space(drawing.text([]))
    if space is None or not 2 <= space.points <= most:
        return None
    budgets = [_budget(space, random) for _ in range(random.choice([0, 1, 1, 2, 2, 3]))]
    return _space(drawing.text([budget for budget in budgets if budget]))


def _agrees(space: Space) -> None:
    """That what is counted, drawn and refused is what building every point says."""
    built = every_point(space, budgets=False)
    truth = every_point(space)
    try:
        feasible = Feasible(space)
    except archdsl.SpecError as error:
        assert not truth
        assert error.diagnostics[0].slug == "budget-unreachable"
        return
    try:
        count = feasible.count()
    except archdsl.SpecError as error:
        assert not truth
        assert error.diagnostics[0].slug == "budget-unreachable"
        return
    assert (count.lower, count.upper, count.built) == (len(truth), len(truth), len(built))
    for point in list(built.values())[:20]:
        assert feasible.keeps(point) == space.keeps_budgets(point)
        for bound, number in feasible.counts(point).items():
            wanted = bound.quantity, bound.rule
            assert number == counted(space.network(point, at=bound.at), [wanted])[wanted]
    random = Random(0)
    for _ in range(4):
        wish = {decision.path: random.choice(decision.labels) for decision in space.decisions}
        for point in (feasible.draw(random), feasible.near(wish, random)):
            reading = Reading(dict(point))
            assert space.keeps_budgets(reading)
            assert frozenset(reading.read.items()) in truth


def _some(seeds: range, most: int) -> int:
    found = 0
    for seed in seeds:
        space = drawn_space(seed, most)
        if space is not None:
            found += 1
            try:
                _agrees(space)
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
    return found


def test_what_is_counted_is_what_can_be_built() -> None:
    assert _some(range(60), 60) > 10


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(4))
def test_more_of_what_is_counted(chunk: int) -> None:
    size = SLOW_SEEDS // 4
    assert _some(range(1000 + chunk * size, 1000 + (chunk + 1) * size), 300) > size // 4
