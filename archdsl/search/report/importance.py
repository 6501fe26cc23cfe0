"""Which decisions mattered: Optuna's importance of parameters, over the trials of a study."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.search.pareto import comparable

if TYPE_CHECKING:
    from archdsl.ir.space import Objective
    from archdsl.search.trials import History, Trial

FEW = 20
"""With fewer trials a tenth of them, which importance is about, says nothing."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of decisions, by path, the largest first; they add up to 1. `of` is an objective, or the front."""

    of: str
    shares: tuple[tuple[str, float], ...]


def importance(history: History) -> tuple[Importance, ...]:
    """How much each decision has to do with being among the best tenth (PED-ANOVA): by each objective, and of the front.

    Empty with fewer than 20 trials to compare. An objective for which nothing can be told is left out.
    """
    trials = comparable(history)
    if len(trials) < FEW or not history.space.decisions:
        return ()
    return tuple(found for found in _each(history, trials) if found.shares)


def _each(history: History, trials: Sequence[Trial]) -> Iterator[Importance]:
    for objective in history.objectives:
        yield Importance(objective.name, _shares(history, trials, [objective]))
    if len(history.objectives) > 1:
        yield Importance("the front", _shares(history, trials, history.objectives))


def _shares(history: History, trials: Sequence[Trial], objectives: Sequence[Objective]) -> tuple[tuple[str, float], ...]:
    import optuna

    from archdsl.search.space_to_optuna import distributions, to_params
    from archdsl.search.study import quiet

    space = history.space.space
    assert space is not None
    known = distributions(space)
    with quiet(), warnings.catch_warnings():
        # what Optuna warns of here, too few trials that differ, gives equal shares
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=[objective.direction for objective in objectives])
        for trial in trials:
            params = to_params(space, space.point(trial.point))
            # only what exists at a point had to do with its value
            there = [path for path in params if path in trial.point]
            study.add_trial(
                optuna.trial.create_trial(
                    params={path: params[path] for path in there},
                    distributions={path: known[path] for path in there},
                    values=[trial.values[objective.name] for objective in objectives],
                )
            )
        found = optuna.importance.get_param_importances(study)
    total = sum(found.values())
    if not total > 0:
        return ()
    return tuple(sorted(((path, share / total) for path, share in found.items()), key=lambda pair: (-pair[1], pair[0])))
