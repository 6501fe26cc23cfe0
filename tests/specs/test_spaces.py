"""Points drawn from the spaces that ship: closed form, fvcore, and the sum of the parts agree on each."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import archdsl
from archdsl.budget.compare import compare
from archdsl.budget.fvcore_count import measure
from archdsl.feasible import Feasible
from archdsl.ir.counts import closed_form, flops, params
from archdsl.ir.digest import digest
from archdsl.ir.network import Network
from archdsl.ir.space import Space
from archdsl.lowering.module import lower
from archdsl.schema.units import Size

ROOT = Path(__file__).resolve().parents[2]
SPACES = {
    "biformer_nas": ROOT / "search" / "biformer_nas" / "space.arch",
    "digits_small": ROOT / "search" / "digits_small" / "space.arch",
    "mixer_small": ROOT / "search" / "mixer_small" / "space.arch",
    "mixer_nas": ROOT / "search" / "mixer_nas" / "space.arch",
}
# the bases that keep the budgets of their spaces; BiFormer-T costs more than its space allows
WITHIN = {"mixer_small", "mixer_nas", "digits_small"}
# routing takes 7x7 regions down to the third stage: of the sizes that can be, 112 pixels are counted in the least time.
# The others are counted at the sizes of their budgets (7x7 is no map for the strips of mixer_nas, which reduce by two).
COUNTED_AT = {"biformer_nas": Size(112, 112)}


def _space(name: str) -> Space:
    space = archdsl.load(f"{SPACES[name]}:{name}").space
    assert space is not None
    return space


def _drawn(space: Space, count: int, seed: int, at: Size | None = None) -> list[Network]:
    """Feasible points, for images of a size; each is counted anew."""
    random = Random(seed)
    feasible = Feasible(space)
    points = [feasible.draw(random) for _ in range(count)]
    assert all(space.keeps_budgets(point) for point in points)
    return [space.network(point, at=at) for point in points]


def _agree(network: Network) -> None:
    closed = closed_form(network)
    assert sum(closed.params_by_part.values()) == params(network)
    assert sum(part.flops for part in closed.parts.values()) + closed.rest.flops == flops(network)
    compared = compare(closed, measure(lower(network), network))
    assert compared.equal, compared.differing


@pytest.mark.parametrize("name", SPACES)
def test_the_base_is_a_point(name: str) -> None:
    space = _space(name)
    assert space.points > 1000
    base, point = space.base_network, space.network(space.base_point)
    assert (params(base), flops(base)) == (params(point), flops(point))
    assert space.within_budget(base) == (name in WITHIN)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("biformer_nas", "@biformer_t"),
        ("digits_small", ROOT / "search" / "digits_small" / "pyramid_digits.arch"),
        ("mixer_small", ROOT / "search" / "mixer_small" / "pyramid_small.arch"),
    ],
)
def test_the_base_point_is_the_base_to_the_last_field_and_name(name: str, base: str | Path) -> None:
    space = _space(name)
    want = archdsl.load(base).hash
    assert digest(space.network(space.base_point)) == want
    assert digest(space.base_network) == want


@pytest.mark.parametrize("name", SPACES)
def test_counts_agree_at_a_few_points(name: str) -> None:
    for network in _drawn(_space(name), 2, seed=1, at=COUNTED_AT.get(name)):
        _agree(network)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["mixer_small", "biformer_nas", "mixer_nas"])
def test_counts_agree_at_200_points(name: str, seed: int) -> None:
    for network in _drawn(_space(name), 50, seed=seed, at=COUNTED_AT.get(name)):
        _agree(network)
