"""What a trial costs beside its evaluation: sampler, storage, and the search's own work, measured apart.

python benchmarks/search/overhead.py --trials 1000 --sampler random

What this process does is told in its own processor time, which other work on the machine hardly changes; what the process
does that evaluates is told in time by the clock.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import tempfile
import time
from pathlib import Path

from archdsl.resources import data_path
from archdsl.search.events import ignore
from archdsl.search.folder import StudyFolder
from archdsl.search.interrupts import Interrupts
from archdsl.search.settings import SAMPLERS, Settings
from archdsl.search.study import open_study, plan
from archdsl.search.trial_loop import TrialLoop


def main() -> None:
    """Run a study of a packaged space without its budgets, which minimizes its counts; print milliseconds a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sampler", choices=SAMPLERS, default="random")
    parser.add_argument("--storage", help="instead of SQLite in a temporary folder")
    parser.add_argument("--study", default="mixer_small")
    parser.add_argument("--replace", nargs=2, metavar=("OLD", "NEW"), help="in its space, such as a range by a longer one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = StudyFolder(Path(name, "study"))
        found = shutil.ignore_patterns("study.*", "winners", "history.csv")
        shutil.copytree(data_path("search") / asked.study, folder.path, ignore=found)
        text = folder.space.read_text(encoding="utf-8")
        if asked.replace:
            text = text.replace(*asked.replace)
        lines = [line for line in text.splitlines() if line.split()[:1] not in (["maximize"], ["minimize"], ["budget"])]
        last = max(at for at, line in enumerate(lines) if line == "}")
        lines[last:last] = ["  maximize params", "  minimize flops"]
        folder.space.write_text("\n".join(lines) + "\n", encoding="utf-8")
        _measure(folder, asked)


def _measure(folder: StudyFolder, asked: argparse.Namespace) -> None:
    def change(settings: Settings) -> Settings:
        return settings.changed(trials=asked.trials, sampler=asked.sampler, storage=asked.storage)

    # all of the search that looks at a clock looks at this one
    time.perf_counter = time.process_time
    study = open_study(plan(folder, change, anew=True), "begin")
    study.plan.feasible.count()
    loop = TrialLoop(study, ignore, Interrupts())
    loop.evaluator.start()
    study.storage.seconds, study.storage.calls = 0.0, 0
    began = time.process_time()
    loop.run()
    spent = time.process_time() - began
    seconds = loop.evaluated
    here = {
        "sampler": loop.proposer.sampling,
        "storage": study.storage.seconds,
        "network, hash, counts": loop.proposer.making,
    }
    parts = {
        **here,
        "own, all else": spent - sum(here.values()),
        "build, fvcore": seconds.get("build", 0.0) + seconds.get("confirm", 0.0),
        "objectives": sum(value for name, value in seconds.items() if name not in ("build", "confirm")),
    }
    done = len(study.ledger.finished)
    where = study.storage.where.rpartition("/")[2]
    print(f"{done} trials, sampler {study.plan.lock.sampler}, storage {where}, {platform.machine()}")
    for name, value in parts.items():
        print(f"  {name:<24}{1000 * value / done:9.3f} ms a trial")
    print(f"  {'calls of storage':<24}{study.storage.calls / done:9.1f} a trial")


if __name__ == "__main__":
    main()
