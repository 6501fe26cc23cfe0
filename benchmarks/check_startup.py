"""Measures how long `archdsl check` takes from a cold start, beside the bare interpreter.

    python benchmarks/check_startup.py [--runs 20] [SPEC]

Prints wall and CPU time (user and system) of the whole process, in milliseconds. "Cold" is a process of its own for each run;
the files are in the cache of the operating system after the first, which is not counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
# as installed: with compiled bytecode beside the sources, which the run that is not counted writes
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Times:
    wall: float
    cpu: float


def once(command: Sequence[str]) -> Times:
    """One run of a command that must succeed; milliseconds."""
    # `wait4` has the CPU time of this one child, where `getrusage` sums all of them
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.stderr.write(told.decode(errors="replace"))
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    return Times(wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000)


def row(name: str, runs: Sequence[Times]) -> str:
    wall, cpu = [run.wall for run in runs], [run.cpu for run in runs]
    numbers = (statistics.median(wall), min(wall), statistics.median(cpu), min(cpu))
    return f"{name:<34}" + "".join(f"{number:>12.1f}" for number in numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the start-up time of `archdsl check`.")
    parser.add_argument("spec", nargs="?", default="specs/biformer_t.arch")
    parser.add_argument("--runs", type=int, default=20, help="how often each command runs")
    chosen = parser.parse_args()
    commands = {
        "python -I -c pass": [sys.executable, "-I", "-c", "pass"],
        "python -c pass": [sys.executable, "-c", "pass"],
        f"archdsl check {chosen.spec}": [sys.executable, "-m", "archdsl", "check", chosen.spec],
    }
    runs: dict[str, list[Times]] = {name: [] for name in commands}
    for command in commands.values():
        once(command)
    # in turns, so that a busy moment of the machine meets all of them
    for _ in range(chosen.runs):
        for name, command in commands.items():
            runs[name].append(once(command))
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs, {chosen.runs} runs, milliseconds")
    print(f"{'':<34}{'wall median':>12}{'wall min':>12}{'CPU median':>12}{'CPU min':>12}")
    for name, times in runs.items():
        print(row(name, times))


if __name__ == "__main__":
    main()
