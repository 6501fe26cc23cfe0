"""Times of several pieces of work beside each other, in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

_LEAST_ROUNDS = 5
# bytes that are written between two pieces of work: more than the caches of a GPU hold
_FLUSHED = 2**28


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work: `run` is timed, given what `prepare` returns, which is not."""

    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None


@dataclass(frozen=True, slots=True)
class Duration:
    """How long is measured: a number of rounds, or for some seconds, at least five rounds."""

    seconds: float = 1.0
    rounds: int | None = None

    def goes_on(self, done: int, since: float) -> bool:
        """Whether another round is made after some were done."""
        if self.rounds is not None:
            return done < self.rounds
        return done < _LEAST_ROUNDS or time.monotonic() - since < self.seconds


class Clock(Protocol):
    """Measures one round of works, each once, in milliseconds."""

    def round(self, works: Sequence[Work]) -> list[float]: ...


class CudaClock:
    """Times by events of the GPU, each work with its caches cold."""

    def __init__(self, device: torch.device) -> None:
        self._cold = torch.empty(_FLUSHED, dtype=torch.int8, device=device)

    def round(self, works: Sequence[Work]) -> list[float]:
        """The times of each."""
        events = []
        for work in works:
            given = work.prepare()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self._cold.zero_()
            start.record()
            work.run(given)
            end.record()
            events.append((start, end))
        torch.cuda.synchronize(self._cold.device)
        return [start.elapsed_time(end) for start, end in events]


class CpuClock:
    """Times of the processor, those of all threads together: another process does not lengthen them."""

    def round(self, works: Sequence[Work]) -> list[float]:
        """The times of each."""
        times = []
        for work in works:
            given = work.prepare()
            start = time.process_time()
            work.run(given)
            times.append((time.process_time() - start) * 1e3)
        return times


def clock_of(device: torch.device) -> Clock:
    """The clock for a device."""
    return CudaClock(device) if device.type == "cuda" else CpuClock()


def interleaved(works: Mapping[str, Work], clock: Clock, duration: Duration) -> dict[str, list[float]]:
    """The times of each work in milliseconds, round by round: A B C A B C. The works have run before."""
    found: dict[str, list[float]] = {name: [] for name in works}
    collected = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        done, since = 0, time.monotonic()
        while duration.goes_on(done, since):
            for name, spent in zip(works, clock.round(list(works.values())), strict=True):
                found[name].append(spent)
            done += 1
    finally:
        if collected:
            gc.enable()
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of the values is below, between two of them in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
