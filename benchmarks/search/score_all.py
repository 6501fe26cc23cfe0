"""Adds scores of untrained networks to the rows of `table.csv`, each with the processor seconds that it took.

    OMP_NUM_THREADS=1 python benchmarks/search/score_all.py [SCORE ...] [--table FILE] [--seed N]

Rows that have a score keep it; a cell stays empty where a score says that it has no value for a spec. The table is written at
once or not at all, every sixteen rows. Not to be run while `train_all.py` adds rows.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import torch
from train_all import HERE, rows

import archdsl
from archdsl.lowering.atomic import file_at_once
from archdsl.search.objectives.objective import Candidate, Objective, Unmeasured
from archdsl.search.objectives.registry import make

SCORES = ("zen_score", "zico", "naswot", "synflow", "grad_norm")
_OFTEN = 16


def scored(spec: archdsl.Spec, objective: Objective, seed: int) -> dict[str, str]:
    """The value of a spec and the seconds it took, as cells."""
    began = time.process_time()
    try:
        value = repr(objective.measure(Candidate(spec, seed, torch.device("cpu")), lambda number, found: None))
    except Unmeasured:
        value = ""
    return {objective.name: value, f"{objective.name}_seconds": f"{time.process_time() - began:.3f}"}


def write(path: Path, table: Sequence[dict[str, str]]) -> None:
    """The table, in place of what was there."""
    columns = list(dict.fromkeys(name for row in table for name in row))
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    with file_at_once(path) as draft:
        draft.write_text(text.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", nargs="*", metavar="SCORE")
    parser.add_argument("--table", type=Path, default=HERE / "table.csv")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    objectives = [make(name, {}) for name in given.scores or SCORES]
    space = archdsl.load(f"{HERE / 'table.arch'}:table")
    paths = [decision.path for decision in space.decisions]
    table = rows(given.table)
    for number, row in enumerate(table, 1):
        missing = [objective for objective in objectives if not row.get(f"{objective.name}_seconds")]
        if missing:
            spec = space.arch(space.space.point({path: row[path] for path in paths}))
            if spec.hash != row["hash"]:
                raise SystemExit(f"row {number} of {given.table} is of another spec: the space was changed since")
            for objective in missing:
                row.update(scored(spec, objective, given.seed))
        if number % _OFTEN == 0 or number == len(table):
            write(given.table, table)
            print(f"{number} of {len(table)}", flush=True)


if __name__ == "__main__":
    main()
