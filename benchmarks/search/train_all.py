"""Trains every spec of `table.arch` once and writes a row for each as it goes: `table.csv`.

    OMP_NUM_THREADS=1 python benchmarks/search/train_all.py [--seed N] [--every N] [--out FILE]

A row has the point (a column for each decision), the hash of the spec, its counts, the accuracy on the images to validate with
after each epoch, and the seconds of the training (wall and processor). The training is a function of spec and seed. Started
again, it goes on with what is missing; a row that was cut off is made anew. Scores of untrained networks are added by
`score_all.py` beside it, without training again.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import archdsl
from archdsl.search.data.load import load_data
from archdsl.search.data.split import Split
from archdsl.search.training.recipe import Recipe
from archdsl.search.training.train import train

HERE = Path(__file__).parent
DATA = "mnist_sample"
SPLIT = Split(train_images=1000, val_images=1000)
RECIPE = Recipe(epochs=5, batch=32, lr=1e-2, warmup=0.2)


def points(spec: archdsl.Spec) -> Iterator[dict[str, str]]:
    """Every point of a space without conditional decisions, by name, the last decision changing fastest."""
    paths = [decision.path for decision in spec.decisions]
    for labels in itertools.product(*(decision.labels for decision in spec.decisions)):
        yield dict(zip(paths, labels, strict=True))


def trained(spec: archdsl.Spec, seed: int) -> dict[str, object]:
    """What one training gives, as columns."""
    data = load_data(DATA, spec.network, SPLIT)
    model = archdsl.build(spec, seed=seed)
    reached: dict[str, object] = {}
    wall, processor = time.perf_counter(), time.process_time()
    last = train(model, data, RECIPE, seed=seed, step=lambda epoch, found: reached.update({f"accuracy_{epoch}": found}))
    seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - processor}
    return {"accuracy": last, **reached, **{name: f"{value:.2f}" for name, value in seconds.items()}}


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; the end of one that was cut off is taken off the file."""
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return list(csv.DictReader(StringIO(whole)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="train one spec of so many, such as with a second seed")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    out: Path = given.out or HERE / ("table.csv" if given.seed == 0 else f"table_seed{given.seed}.csv")
    space = archdsl.load(f"{HERE / 'table.arch'}:table")
    there = rows(out)
    done = {row["hash"] for row in there}
    everything = list(points(space))[:: given.every]
    for number, named in enumerate(everything, 1):
        spec = space.arch(space.space.point(named))
        if spec.hash in done:
            continue
        row = {**named, "hash": spec.hash, "params": spec.params, "flops": spec.flops, **trained(spec, given.seed)}
        new = not out.exists() or not out.stat().st_size
        with out.open("a", newline="") as file:
            # a table that was begun may have columns of scores
            writer = csv.DictWriter(file, list(there[0]) if there else list(row), restval="", lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())
        done.add(spec.hash)
        print(f"{number} of {len(everything)}: accuracy {row['accuracy']:.3f}, {row['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
