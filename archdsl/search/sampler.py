"""Optuna's samplers on the feasible points: what they propose is brought to the nearest point that fits the budgets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from archdsl.feasible import Feasible
from archdsl.ir.points import Drawn
from archdsl.search.samplers import SAMPLERS
from archdsl.search.space_to_optuna import distributions, from_labels, to_labels, to_params
from archdsl.source.suggest import did_you_mean

# from so many trials on a front of several objectives is better bred than modelled
_BRED = 1_000
# points drawn before a model is made of what they gave
_STARTUP = 10
# proposals that are looked at for one that fits and is new, before the first of them is moved
_ASKED = 10


class FeasibleSampler(BaseSampler):
    """A sampler all of whose points can be built, keep `require` and fit every budget.

    `inner` proposes; where it has nothing to propose, or is None, points are drawn uniformly from the feasible ones. With
    `seen`, it is asked again for what was seen before. The values stored with a trial are those of the feasible point, so
    that `inner` learns from what was really evaluated. Works in any study of Optuna, whose objective may ask the trial for
    `distributions(space)`.
    """

    def __init__(
        self,
        feasible: Feasible,
        inner: BaseSampler | None = None,
        *,
        seed: int = 0,
        seen: Callable[[Drawn], bool] | None = None,
    ) -> None:
        self.feasible = feasible
        self.inner = inner
        self._seen = seen or (lambda point: False)
        self._random = Random(seed)
        self._distributions = distributions(feasible.space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._distributions

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return dict(to_params(self.feasible.space, self._point(study, trial)))

    def _point(self, study: Study, trial: FrozenTrial) -> Drawn:
        """The first proposal that is feasible as it is, and new; if there is none, the feasible point nearest to the first."""
        space = self.feasible.space
        first: dict[str, str] = {}
        if self.inner is not None:
            inside = self.inner.infer_relative_search_space(study, trial)
            known = {name: entry for name, entry in inside.items() if self._distributions.get(name) == entry}
            for _ in range(_ASKED if known else 0):
                proposed = to_labels(space, self.inner.sample_relative(study, trial, known))
                if not proposed:
                    break
                first = first or proposed
                # what is left open, such as a gene that mutates, may be anything
                rest = {d.path: self._random.choice(d.labels) for d in space.decisions if d.path not in proposed}
                point = from_labels(space, {**rest, **proposed})
                if self.feasible.keeps(point) and not self._seen(point):
                    return point
        return self.feasible.near(first, self._random) if first else self.feasible.draw(self._random)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter of the objective's own, beside those of the space."""
        if self.inner is None:
            raise ValueError(f"`{param_name}` is no decision of `{self.feasible.space.name}`")
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self.inner is not None:
            self.inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        if self.inner is not None:
            self.inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._random = Random()
        if self.inner is not None:
            self.inner.reseed_rng()


def chosen_sampler(name: str, *, objectives: int, trials: int) -> str:
    """The sampler that `auto` stands for: `random` for fewer trials than a model needs, otherwise `tpe`, and `nsga2` for
    several objectives and a thousand trials or more. Another name stands for itself.

    Raises
    ------
    ValueError: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise ValueError(f"there is no sampler `{name}`: {did_you_mean(name, SAMPLERS, 'samplers are')}")
    if name != "auto":
        return name
    if trials <= _STARTUP:
        return "random"
    return "nsga2" if objectives > 1 and trials >= _BRED else "tpe"


def make_sampler(
    name: str,
    feasible: Feasible,
    *,
    seed: int,
    objectives: int,
    trials: int,
    seen: Callable[[Drawn], bool] | None = None,
) -> FeasibleSampler:
    """A sampler on the feasible points, by name. What it proposes is a function of its seed and of the trials so far."""
    chosen = chosen_sampler(name, objectives=objectives, trials=trials)
    return FeasibleSampler(feasible, _inner(chosen, seed=seed, trials=trials), seed=seed, seen=seen)


def _inner(name: str, *, seed: int, trials: int) -> BaseSampler | None:
    with warnings.catch_warnings():
        # some of what is asked for by name is marked as experimental
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name == "tpe":
            # several decisions are modelled together, also for several objectives, where that is not the default
            return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=_STARTUP)
        if name == "nsga2":
            return NSGAIISampler(seed=seed, population_size=max(_STARTUP, min(50, trials // 10)))
        if name == "gp":
            return GPSampler(seed=seed, n_startup_trials=_STARTUP)
    return None
