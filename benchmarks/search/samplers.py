"""Samplers compared on a table of which every spec was trained: how good is the best, after so many trainings?

    python benchmarks/search/samplers.py [--seeds 50] [--trainings 10 20 40 60] [--share 0.5]

The table is `table.csv`, of `table.arch`. A budget on flops is set so that the given share of the specs fits. What is counted
are trainings: a spec that was trained before is looked up, by whichever method. `feasible` draws through archdsl's feasible
points. `own` is Optuna's own handling of constraints on the whole space: for TPE a spec over the budget is pruned before it is
trained, which TPE learns from; NSGA-II has to know the values of such a spec as well, so there it is trained. `reject` draws
anything and trains what fits.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import optuna

import archdsl
from archdsl.feasible import Feasible
from archdsl.ir.points import Drawn
from archdsl.ir.space import Space
from archdsl.search.pareto import hypervolume
from archdsl.search.sampler import make_sampler
from archdsl.search.space_to_optuna import distributions, to_params, to_point

HERE = Path(__file__).parent
# a method that proposes nothing new for so long has come to its end
PATIENCE = 400

Spec = tuple[str, ...]
Found = tuple[float, int]


class Table:
    """Accuracy and flops of every spec, under a budget that a share of them keeps."""

    def __init__(self, share: float) -> None:
        text = (HERE / "table.arch").read_text(encoding="utf-8")
        whole = archdsl.loads(text, name="table").space
        assert whole is not None
        self.paths = [decision.path for decision in whole.decisions]
        with (HERE / "table.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.found: dict[Spec, Found] = {
            tuple(row[path] for path in self.paths): (float(row["accuracy"]), int(row["flops"])) for row in rows
        }
        flops = sorted(count for _, count in self.found.values())
        self.budget = flops[max(1, round(share * len(flops))) - 1]
        spec = archdsl.loads(text.replace("  maximize", f"  budget flops <= {self.budget}\n\n  maximize", 1), name="table")
        assert spec.space is not None
        self.whole, self.space, self.feasible = whole, spec.space, Feasible(spec.space)
        self.fitting = {spec: found for spec, found in self.found.items() if found[1] <= self.budget}
        if self.feasible.count().lower != len(self.fitting):
            raise SystemExit("the table does not have every spec that fits: train the rest first")

    def spec(self, space: Space, params: dict[str, object]) -> Spec:
        return self.named(to_point(space, params))

    def named(self, point: Drawn) -> Spec:
        return tuple(point.named[path] for path in self.paths)


Method = Callable[[Table, int, int], Iterator[Spec]]


def feasible(sampler: str) -> Method:
    """Proposals of a sampler on the feasible points; what was seen is replaced by a draw of what was not."""

    def run(table: Table, seed: int, objectives: int) -> Iterator[Spec]:
        study = optuna.create_study(directions=["maximize", "minimize"][:objectives])
        random = Random(seed)
        seen: set[Spec] = set()
        for index in range(len(table.fitting)):
            study.sampler = make_sampler(
                sampler,
                table.feasible,
                seed=seed_for(seed, index),
                objectives=objectives,
                trials=100,
                seen=lambda point: table.named(point) in seen,
            )
            trial = study.ask(distributions(table.space))
            spec = table.spec(table.space, trial.params)
            if spec not in seen:
                study.tell(trial, list(table.fitting[spec])[:objectives])
            else:
                # the study has it already
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                while spec in seen:
                    spec = table.named(table.feasible.draw(random))
                params = dict(zip(table.paths, spec, strict=True))
                study.add_trial(_told(table, params, table.fitting[spec][:objectives]))
            seen.add(spec)
            yield spec

    return run


def seed_for(*parts: int) -> int:
    """A seed of its own for each trial."""
    return Random(repr(parts)).randrange(2**31)


def _told(table: Table, named: dict[str, str], values: tuple[float, ...]) -> optuna.trial.FrozenTrial:
    point = table.space.point(named)
    return optuna.trial.create_trial(
        params=to_params(table.space, point), distributions=distributions(table.space), values=[float(v) for v in values]
    )


def own(sampler: Callable[[int, int], optuna.samplers.BaseSampler], *, train: bool) -> Method:
    """Optuna alone, on the whole space, with the budget as its constraint. `train`: what is over it is trained as well."""

    def run(table: Table, seed: int, objectives: int) -> Iterator[Spec]:
        study = optuna.create_study(directions=["maximize", "minimize"][:objectives], sampler=sampler(seed, objectives))
        idle = 0
        seen = set()
        while idle < PATIENCE:
            trial = study.ask(distributions(table.whole))
            spec = table.spec(table.whole, trial.params)
            values = table.found[spec]
            over = values[1] - table.budget
            trial.set_constraint("flops", float(over))
            idle = idle + 1 if spec in seen or (over > 0 and not train) else 0
            if over > 0 and not train:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                continue
            study.tell(trial, list(values)[:objectives])
            if spec not in seen:
                seen.add(spec)
                yield spec

    return run


def reject(table: Table, seed: int, objectives: int) -> Iterator[Spec]:
    """Anything is drawn, and what fits is trained."""
    specs = list(table.fitting)
    Random(seed).shuffle(specs)
    yield from specs


def _tpe(seed: int, objectives: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def _nsga2(seed: int, objectives: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=10)


METHODS: dict[str, Method] = {
    "random, feasible": feasible("random"),
    "TPE, feasible": feasible("tpe"),
    "NSGA-II, feasible": feasible("nsga2"),
    "random, reject": reject,
    "TPE, own": own(_tpe, train=False),
    "NSGA-II, own": own(_nsga2, train=True),
}


def curve(table: Table, method: Method, seed: int, objectives: int, marks: list[int]) -> list[float]:
    """The best accuracy among what fits, or the hypervolume, after each number of trainings."""
    trained: list[Found] = []
    found = []
    proposals = method(table, seed, objectives)
    for mark in marks:
        while len(trained) < mark:
            spec = next(proposals, None)
            if spec is None:
                break
            trained.append(table.found[spec])
        inside = [each for each in trained if each[1] <= table.budget]
        if objectives == 1:
            found.append(max((accuracy for accuracy, _ in inside), default=0.0))
        else:
            found.append(volume(table, inside))
    return found


def volume(table: Table, found: list[Found]) -> float:
    """The share of the rectangle of no errors and no flops, within the budget, that a front covers."""
    return hypervolume([(-accuracy, count / table.budget) for accuracy, count in found], (0.0, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--trainings", type=int, nargs="+", default=[10, 20, 40, 60])
    parser.add_argument("--share", type=float, default=0.5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = Table(given.share)
    best = max(accuracy for accuracy, _ in table.fitting.values())
    whole = volume(table, list(table.fitting.values()))
    print(f"{len(table.found)} specs, {len(table.fitting)} of them within {table.budget:_} flops; {given.seeds} seeds")
    for objectives, title in ((1, f"best accuracy (of all: {best:.4f})"), (2, f"hypervolume (of all: {whole:.4f})")):
        print(f"\n| {title}, mean ± deviation | " + " | ".join(f"{mark} trainings" for mark in given.trainings) + " |")
        print("|---|" + "---|" * len(given.trainings))
        for name, method in METHODS.items():
            curves = [curve(table, method, seed, objectives, given.trainings) for seed in range(given.seeds)]
            told = [f"{statistics.mean(at):.4f} ± {statistics.stdev(at):.4f}" for at in zip(*curves, strict=True)]
            print(f"| {name} | " + " | ".join(told) + " |", flush=True)


if __name__ == "__main__":
    main()
