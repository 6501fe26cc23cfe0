"""Ways measured beside each other: forward, backward, and both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from archdsl.bench.result import PASSES, Case, Pass, Row, row
from archdsl.bench.roofline import Least
from archdsl.bench.settings import Settings
from archdsl.bench.timing import Clock, Work, interleaved
from archdsl.bench.ways import Absent, Way, warmed

_NO_ROOM = "out of memory"


@dataclass(frozen=True, slots=True)
class Bench:
    """Ways of one case. `forward` computes its result, `backward` the gradients of a result, without a return value.

    `ways` begins with the base. `least` are the rooflines of the passes, where they are known.
    """

    name: str
    ways: tuple[Way, ...]
    forward: Callable[[Way], Any]
    backward: Callable[[Way, Any], object]
    absent: tuple[Absent, ...] = ()
    least: dict[Pass, Least] | None = None
    parity: dict[str, tuple[str, ...]] | None = None
    refused: dict[str, tuple[str, ...]] | None = None

    def work(self, way: Way, kind: Pass) -> Work:
        """One pass of a way."""

        def forward() -> Any:
            with torch.no_grad():
                return self.forward(way)

        def recorded() -> Any:
            with torch.enable_grad():
                return self.forward(way)

        if kind == "forward":
            return Work(lambda given: forward())
        if kind == "backward":
            return Work(lambda y: self.backward(way, y), recorded)
        return Work(lambda given: self.backward(way, recorded()))


@dataclass(slots=True)
class Warm:
    """What running each way once told: the seconds that compiling took, and what failed."""

    compiling: dict[str, float]
    failed: dict[str, str]


def warm(bench: Bench, settings: Settings) -> Warm:
    """Run every way of a case once in every pass, so that all is compiled before anything is timed."""
    found = Warm({}, {})
    for way in bench.ways:
        settings.step(f"warming up {bench.name}, {way.key}")
        spent = 0.0
        try:
            for kind in ("forward", "forward+backward"):
                work = bench.work(way, kind)
                spent += warmed(lambda work=work: work.run(work.prepare()), settings.device)
        except torch.OutOfMemoryError:
            found.failed[way.key] = _NO_ROOM
            torch.cuda.empty_cache()
        except Exception as error:
            if way.mode is None:
                raise
            found.failed[way.key] = f"compiling fails: {' '.join(str(error).split())[:120]}"
        if way.mode is not None and way.key not in found.failed:
            found.compiling[way.key] = spent
    return found


def measured(bench: Bench, warm: Warm, clock: Clock, settings: Settings) -> Case:
    """Time the ways of a case that ran, and take their memory."""
    ways = [way for way in bench.ways if way.key not in warm.failed]
    rows: list[Row] = []
    rounds: dict[Pass, int] = {}
    for kind in PASSES if ways else ():
        settings.step(f"measuring {bench.name}, {kind}")
        works = {way.key: bench.work(way, kind) for way in ways}
        memory = {key: _peak(work, settings.device) for key, work in works.items()}
        times = interleaved(works, clock, settings.duration)
        base = times[ways[0].key]
        rounds[kind] = len(base)
        least = bench.least[kind] if bench.least else None
        rows += _best([row(way, kind, times[way.key], base, memory[way.key], least) for way in ways])
    gone = {way.key: way for way in bench.ways if way.key in warm.failed}
    rows += [Row(way.name, way.mode, kind, failed=warm.failed[key]) for kind in PASSES for key, way in gone.items()]
    return Case(
        bench.name,
        ways[0].name if ways else "",
        rounds,
        tuple(sorted(rows, key=lambda found: PASSES.index(found.work))),
        bench.absent,
        warm.compiling,
        bench.parity,
        bench.refused,
    )


def _best(rows: Sequence[Row]) -> list[Row]:
    """Of the ways that differ in how they are compiled the fastest."""
    best: dict[str, Row] = {}
    for found in rows:
        so_far = best.get(found.way)
        if so_far is None or (found.milliseconds or 0) < (so_far.milliseconds or 0):
            best[found.way] = found
    return list(best.values())


def _peak(work: Work, device: torch.device) -> int | None:
    """The most bytes that a piece of work takes at once beyond those taken before; None on the CPU."""
    if device.type != "cuda":
        return None
    given = work.prepare()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work.run(given)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
