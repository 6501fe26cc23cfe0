"""The proposal for an index: by a sampler made for it alone, and of a spec that was not seen before."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any

from archdsl.ir.digest import digest
from archdsl.search.ledger import Ledger, key_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from archdsl.feasible import Feasible
    from archdsl.ir.network import Network
    from archdsl.ir.points import Drawn
    from archdsl.ir.space import Space

# draws for a spec that was not seen: of a large space, and at most
_DRAWS, _MOST_DRAWS = 100, 20_000
# of a small space as many as leave out a given unseen one with a chance of exp(-20)
_SURENESS = 20


class Exhausted(Exception):
    """Every feasible spec has been seen; the text says how many there are."""


class Infeasible(Exception):
    """Parameters that somebody put into the storage are no feasible point; the text says why."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point with its network. `same_as` is the index of the trial that has its spec, where no other was found."""

    params: Mapping[str, Any]
    point: Drawn
    network: Network
    hash: str
    same_as: int | None


def seed_for(seed: int, index: int, use: str = "sampler") -> int:
    """A seed of 32 bits that is a function of the study's and of an index."""
    return int.from_bytes(sha256(f"{seed}/{index}/{use}".encode()).digest()[:4], "big")


class Proposer:
    """Proposes specs of a space. `sampling` are the seconds spent in samplers, `making` those in making networks of points."""

    def __init__(
        self,
        feasible: Feasible,
        ledger: Ledger,
        *,
        sampler: str,
        seed: int,
        objectives: int,
        trials: int,
    ) -> None:
        from archdsl.search.space_to_optuna import distributions

        self._feasible, self._ledger = feasible, ledger
        self._space: Space = feasible.space
        self._name, self._seed, self._trials = sampler, seed, trials
        self._objectives = objectives
        self.distributions: dict[str, BaseDistribution] = distributions(self._space)
        self.sampling = self.making = 0.0

    def sampler(self, index: int) -> BaseSampler:
        """The sampler of an index: what it draws depends on its seed and the history alone, not on what it drew before."""
        from archdsl.search.sampler import make_sampler

        return make_sampler(
            self._name,
            self._feasible,
            seed=seed_for(self._seed, index),
            objectives=self._objectives,
            trials=self._trials,
            seen=self._seen,
        )

    def _seen(self, point: Drawn) -> bool:
        from archdsl.search.space_to_optuna import to_params

        return key_of(to_params(self._space, point)) in self._ledger.points

    def sampled(self, sampler: BaseSampler, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """What a sampler proposes for a trial."""
        from optuna.samplers import BaseGASampler

        began = time.perf_counter()
        try:
            inner = getattr(sampler, "inner", None)
            if isinstance(inner, BaseGASampler):
                # parents are noted when they are first asked for, and have another order from then on: ask twice
                inner.get_parent_population(study, inner.get_trial_generation(study, trial))
            sampler.before_trial(study, trial)
            space = sampler.infer_relative_search_space(study, trial)
            return dict(sampler.sample_relative(study, trial, space))
        finally:
            self.sampling += time.perf_counter() - began

    def given(self, fixed: Mapping[str, Any], own: int) -> Proposal:
        """The proposal that a trial was made with, `own` being its number. Raises `Infeasible`."""
        from archdsl.search.space_to_optuna import to_params, to_point
        from archdsl.source.diagnostic import SpecError

        try:
            point = to_point(self._space, fixed)
            if not self._space.keeps_budgets(point):
                raise Infeasible("it is over a budget")
        except SpecError as error:
            raise Infeasible(f"it cannot be built: {error.diagnostics[0].message}") from None
        except (ValueError, KeyError) as error:
            raise Infeasible(f"it is no point of the space: {error}") from None
        return self._made(to_params(self._space, point), point, own)

    def unseen(self, params: Mapping[str, Any], index: int, own: int) -> Proposal:
        """The proposal of a sampler, or a fresh draw where its spec was seen. Raises `Exhausted`."""
        from archdsl.search.space_to_optuna import to_params, to_point

        first = self._made(params, to_point(self._space, params), own)
        if first.same_as is None:
            return first
        draws, sure = self._bound()
        random = Random(seed_for(self._seed, index, "again"))
        for _ in range(draws):
            point = self._feasible.draw(random)
            again = to_params(self._space, point)
            if key_of(again) not in self._ledger.points:
                found = self._made(again, point, own)
                if found.same_as is None:
                    return found
        if sure:
            specs = len(self._ledger.by_hash)
            raise Exhausted(f"all {specs:_} feasible specs have been seen")
        return first

    def _bound(self) -> tuple[int, bool]:
        """How many draws to try, and whether then surely none is left."""
        count = self._feasible.count()
        if count.lower != count.upper:
            return _DRAWS, False
        left = count.lower - len(self._ledger.points)
        if left <= 0:
            return 0, True
        draws = max(_DRAWS, math.ceil(_SURENESS * count.lower / left))
        return min(draws, _MOST_DRAWS), draws <= _MOST_DRAWS

    def _made(self, params: Mapping[str, Any], point: Drawn, own: int) -> Proposal:
        began = time.perf_counter()
        network = self._space.network(point)
        hash = digest(network)
        self.making += time.perf_counter() - began
        same = self._ledger.by_hash.get(hash)
        if same is None and (others := self._ledger.others_with(hash, own)):
            same = self._ledger.index(others[0].number)
        return Proposal(params, point, network, hash, same)
