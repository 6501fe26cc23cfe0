"""How fast feasible specs are drawn, beside drawing anything, building it, counting it with fvcore, and throwing it away.

    python benchmarks/search/feasible.py [SPACE] [--draws 20000] [--confirm 1000] [--tries 12]

Everything runs in one process on one core; times are CPU seconds, rates are for one core. Of the specs that are drawn the first
are counted again by the closed form of the whole network, outside the time that is told.
"""

from __future__ import annotations

import argparse
import time
from random import Random

import torch

import archdsl
from archdsl.budget.fvcore_count import measure
from archdsl.feasible import Feasible
from archdsl.ir.space import Space
from archdsl.lowering.module import lower


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", nargs="?", default="search/biformer_nas/space.arch")
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--confirm", type=int, default=1_000)
    parser.add_argument("--tries", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    space = archdsl.load(given.space).space
    if space is None:
        parser.error(f"{given.space} is no space")

    took, feasible = timed(lambda: Feasible(space))
    print(f"structure      {took * 1e3:10.0f} ms")
    took, count = timed(feasible.count)
    print(f"count          {took * 1e3:10.0f} ms")
    told = f"{count.lower:_}" if count.exact else f"{count.lower:_} to {count.upper:_}"
    print(f"fit            {told} of {count.points:_} points: one in {count.points / max(count.upper, 1):_.0f}")

    random = Random(given.seed)
    took, drawn = timed(lambda: [feasible.draw(random) for _ in range(given.draws)])
    rate = given.draws / took
    print(f"drawn          {rate:10.0f} a second, {given.draws} in {took:.2f} s")
    confirmed = drawn[: given.confirm]
    inside = sum(space.keeps_budgets(point) for point in confirmed)
    print(f"confirmed      {inside} of {len(confirmed)} by the closed form of the whole network")
    distinct = len({str(point) for point in drawn})
    expected = [size * (1 - (1 - 1 / size) ** given.draws) for size in (count.lower, count.upper) if size]
    print(f"distinct       {distinct}; uniform drawing gives {' to '.join(f'{each:.0f}' for each in expected)} on average")

    took, kept = timed(lambda: sum(rejected(space, random) for _ in range(given.tries)))
    tries = given.tries / took
    slow = tries * count.upper / count.points
    print(f"draw, build, fvcore, reject: {tries:.2f} tries a second, {kept} of {given.tries} fit")
    print(f"               {slow:.2e} feasible a second at the share that fits, at most")
    print(f"ratio          {rate / slow:_.0f}")


def rejected(space: Space, random: Random) -> bool:
    """A point drawn without a look at anything, built, counted by fvcore, and kept if it fits."""
    try:
        network = space.network(space.draw(random, require=False))
    except archdsl.SpecError:
        return False
    found = measure(lower(network), network)
    counted = {"flops": found.flops, "params": found.params}
    return all(budget.holds(counted[budget.quantity]) for budget in space.budgets)


def timed(work):
    """What a call gives, and the CPU seconds it takes."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
