"""Optuna's samplers on feasible points, and points as Optuna's parameters."""

from __future__ import annotations

from random import Random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from archdsl.feasible import Feasible
from archdsl.search.sampler import FeasibleSampler, chosen_sampler, make_sampler
from archdsl.search.space_to_optuna import distributions, to_labels, to_params, to_point
from tests.feasible.support import space_of

LINES = """
let width = 8..16 step 4
stage s1 { depth = 1..6, channel = mlp(ratio = 1.0..3.0 step 0.5) }
stage s2 { depth = 1..4, token = attention(head_dim = 4 | 8) | dwconv(3x3 | 5x5) }
budget params <= 16_000
budget flops  >= 90_000
"""


@pytest.fixture(scope="module")
def feasible() -> Feasible:
    return Feasible(space_of(LINES))


def test_each_decision_has_one_distribution(feasible: Feasible) -> None:
    found = distributions(feasible.space)
    assert found["width"] == IntDistribution(8, 16, step=4)
    assert found["s1.channel.ratio"] == FloatDistribution(1.0, 3.0, step=0.5)
    assert found["s2.token"] == CategoricalDistribution(["attention(head_dim = 4 | 8)", "dwconv(3x3 | 5x5)"])
    assert list(found) == [decision.path for decision in feasible.space.decisions]


def test_points_are_parameters_and_back(feasible: Feasible) -> None:
    random = Random(0)
    for _ in range(50):
        point = feasible.draw(random)
        params = to_params(feasible.space, point)
        assert params.keys() == distributions(feasible.space).keys()
        assert all(
            distributions(feasible.space)[name]._contains(entry.to_internal_repr(params[name]))
            for name, entry in distributions(feasible.space).items()
        )
        back = to_point(feasible.space, params)
        assert back.named == point.named
        # what does not exist at a point has the base's value, whatever was drawn before
        assert to_params(feasible.space, back) == params


def test_what_the_space_does_not_have(feasible: Feasible) -> None:
    with pytest.raises(ValueError, match=r"has no decision `depth`"):
        to_labels(feasible.space, {"depth": 1})
    with pytest.raises(ValueError, match=r"`s1.depth` is one of 1, 2, 3, 4, 5, 6, not 9"):
        to_labels(feasible.space, {"s1.depth": 9})


@pytest.mark.parametrize("name", ["random", "tpe", "nsga2"])
@pytest.mark.parametrize("objectives", [1, 2])
def test_all_that_a_sampler_proposes_fits(feasible: Feasible, name: str, objectives: int) -> None:
    study = optuna.create_study(directions=["maximize"] * objectives)
    study.sampler = make_sampler(name, feasible, seed=1, objectives=objectives, trials=60)
    for _ in range(60):
        trial = study.ask(distributions(feasible.space))
        point = to_point(feasible.space, trial.params)
        assert feasible.space.keeps_budgets(point)
        counts = {bound.quantity: count for bound, count in feasible.counts(point).items()}
        study.tell(trial, [float(counts["flops"]), -float(counts["params"])][:objectives])


def test_a_model_learns_which_specs_are_better(feasible: Feasible) -> None:
    """TPE ends nearer to the best than as many uniform draws do, for an objective with an order."""

    def score(labels: dict[str, str]) -> float:
        return float(labels["s1.depth"]) - 2 * abs(float(labels["s1.channel.ratio"]) - 2.5) - float(labels["s2.depth"])

    best = {}
    for name in ("random", "tpe"):
        total = 0.0
        for seed in range(6):
            study = optuna.create_study(direction="maximize")
            study.sampler = make_sampler(name, feasible, seed=seed, objectives=1, trials=40)
            for _ in range(40):
                trial = study.ask(distributions(feasible.space))
                study.tell(trial, score(to_point(feasible.space, trial.params).named))
            total += sum(sorted((trial.values[0] for trial in study.trials), reverse=True)[:10])
        best[name] = total
    assert best["tpe"] > best["random"]


def test_the_same_seed_and_history_propose_the_same(feasible: Feasible) -> None:
    def proposals(name: str) -> list[dict[str, object]]:
        study = optuna.create_study(direction="maximize")
        found = []
        for index in range(30):
            # made anew for each trial: nothing but the history may count
            study.sampler = make_sampler(name, feasible, seed=index, objectives=1, trials=30)
            trial = study.ask(distributions(feasible.space))
            found.append(trial.params)
            study.tell(trial, float(sum(map(len, map(str, trial.params.values())))))
        return found

    for name in ("random", "tpe", "nsga2"):
        assert proposals(name) == proposals(name)


def test_a_study_of_ones_own(feasible: Feasible) -> None:
    """The sampler serves any study; what an objective asks beside the space is left to the sampler inside."""
    study = optuna.create_study(sampler=FeasibleSampler(feasible, optuna.samplers.RandomSampler(seed=0), seed=0))

    def objective(trial: optuna.Trial) -> float:
        params = {name: trial._suggest(name, entry) for name, entry in distributions(feasible.space).items()}
        assert feasible.keeps(to_point(feasible.space, params))
        return trial.suggest_float("rate", 0.0, 1.0)

    study.optimize(objective, n_trials=5)
    assert len({trial.params["rate"] for trial in study.trials}) == 5


def test_the_rule_of_auto() -> None:
    assert chosen_sampler("auto", objectives=1, trials=10) == "random"
    assert chosen_sampler("auto", objectives=1, trials=300) == "tpe"
    assert chosen_sampler("auto", objectives=2, trials=300) == "tpe"
    assert chosen_sampler("auto", objectives=2, trials=1_000) == "nsga2"
    assert chosen_sampler("gp", objectives=1, trials=10) == "gp"
    with pytest.raises(ValueError, match=r"there is no sampler `tpo`: did you mean `tpe`"):
        chosen_sampler("tpo", objectives=1, trials=10)
