"""Measures how long `archdsl check` takes for all packaged specs together, and where the time goes.

    python benchmarks/check_specs.py [--runs 5] [--slowest 10]

Prints wall and CPU time of the whole process from a cold start, as `check_startup.py` does, and then the specs that take
longest inside one process, each loaded on its own, bases included: the least of the runs, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time

from check_startup import ROOT, once, row


def loading(name: str, runs: int) -> float:
    """The least time to load a spec here, in milliseconds."""
    import archdsl

    found = []
    for _ in range(runs):
        start = time.perf_counter()
        archdsl.load(ROOT / "specs" / f"{name}.arch")
        found.append((time.perf_counter() - start) * 1000)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure `archdsl check` over all packaged specs.")
    parser.add_argument("--runs", type=int, default=5, help="how often everything runs")
    parser.add_argument("--slowest", type=int, default=10, help="how many specs are listed")
    chosen = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    names = sorted(path.stem for path in (ROOT / "specs").glob("*.arch"))
    command = [sys.executable, "-m", "archdsl", "check", "specs"]
    once(command)
    times = [once(command) for _ in range(chosen.runs)]
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs, {chosen.runs} runs, milliseconds")
    print(f"{'':<34}{'wall median':>12}{'wall min':>12}{'CPU median':>12}{'CPU min':>12}")
    print(row(f"archdsl check specs ({len(names)})", times))
    print()
    for name, taken in sorted(((name, loading(name, chosen.runs)) for name in names), key=lambda found: -found[1])[
        : chosen.slowest
    ]:
        print(f"{name:<34}{taken:>12.1f}")


if __name__ == "__main__":
    main()
