"""What a running study tells, as a line that moves, as a line for each tenth, or as one JSON object for each trial."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archdsl.search.figures import duration

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.cli.console import Console
    from archdsl.search.events import Event, Started
    from archdsl.search.trials import Trial


class Watch:
    """A listener of a study, and a context manager around it. `stopped` says how it ended."""

    def __init__(self, console: Console, spec: Spec, *, objects: bool, clock: Callable[[], float] = time.monotonic) -> None:
        assert spec.space is not None
        self._console, self._objects, self._clock = console, objects, clock
        self._objectives = spec.space.objectives
        here = (None, spec.network.image.size)
        self._budgets = [found for found in spec.space.budgets if found.at in here and found.rule == "fvcore"]
        self._progress = console.progress()
        self._total = self._done = self._before = self._failed = self._tenth = 0
        self._begun = clock()
        # the trials that no other is better than, by how they stand
        self._front: dict[int, tuple[float, ...]] = {}
        self._shares: dict[int, str] = {}
        self._hashes: set[str] = set()
        # whether there was nothing left to draw, and what is to be said of the end
        self.exhausted = False
        self.ending = ""

    def __enter__(self) -> Watch:
        self._progress.__enter__()
        return self

    def known(self, trials: Iterable[Trial]) -> None:
        """The trials of earlier runs, which the best may be one of."""
        for trial in trials:
            if trial.state == "done":
                self._rank(trial)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.__exit__(kind, error, trace)

    @property
    def failed(self) -> int:
        """How many trials failed while this process looked on."""
        return self._failed

    @property
    def spent(self) -> float:
        """Seconds since the study began or went on."""
        return self._clock() - self._begun

    @property
    def seen(self) -> int:
        """How many trials finished while this process looked on."""
        return self._done - self._before

    def __call__(self, event: Event) -> None:
        from archdsl.search import events

        if isinstance(event, events.Started):
            self._start(event)
        elif isinstance(event, events.Finished):
            self._finish(event.trial)
        elif isinstance(event, events.Waiting):
            self._progress.step(f"waiting: {event.reason}; {self.line()}")
        elif isinstance(event, events.Running):
            self._progress.step(self.line())
        elif isinstance(event, events.Stopping):
            self._say("finishing what is running; interrupt once more to stop at once")
        elif isinstance(event, events.Stopped):
            self.exhausted, self.ending = event.reason == "exhausted", event.text

    def _start(self, event: Started) -> None:
        self._total, self._done, self._before = event.total, event.done, event.done
        self._tenth, self._begun = self._tenths(), self._clock()
        workers = f"{event.workers} worker{'s' * (event.workers != 1)}"
        how = f"sampler {event.sampler}, seed {event.seed}, {workers}, storage {event.storage}"
        self._say(f"{event.name}: {event.done:_} of {event.total:_} trials done, {how}")
        for note in event.notes:
            self._say(f"note: {note}")
        self._progress.step(self.line())

    def _say(self, text: str) -> None:
        """Say what stays; programs get nothing but trials."""
        if not self._objects:
            self._progress.above(text)

    def _finish(self, trial: Trial) -> None:
        self._done += 1
        self._failed += trial.state == "failed"
        if trial.state == "done":
            self._rank(trial)
        if self._objects:
            self._console.out(json.dumps(document(trial)))
            # whoever reads along gets each trial when it is done
            self._console.flush()
        if trial.error:
            self._console.reason(f"trial {trial.index}: {trial.error}")
        self._progress.step(self.line())
        if not self._console.stderr.isatty() and not self._objects and self._tenths() != self._tenth:
            self._tenth = self._tenths()
            self._console.say(self.line())

    def _rank(self, trial: Trial) -> None:
        """Put a trial on the front, where it belongs there."""
        from archdsl.search.pareto import nondominated, turned

        # a spec stands on the front once, however many trials are of it
        if trial.hash in self._hashes or any(objective.name not in trial.values for objective in self._objectives):
            return
        self._hashes.add(trial.hash)
        values = tuple(trial.values[objective.name] for objective in self._objectives)
        self._front[trial.index] = values
        rows = turned(list(self._front.values()), [objective.direction for objective in self._objectives])
        indices = list(self._front)
        kept = {indices[at] for at in nondominated(rows)}
        if trial.index in kept:
            self._shares[trial.index] = self._use({"params": trial.params, "flops": trial.flops})
        for index in indices:
            if index not in kept:
                del self._front[index]
                self._shares.pop(index, None)

    def _use(self, counts: Mapping[str, int]) -> str:
        """How much of the upper budgets a spec uses."""
        upper = [found for found in self._budgets if found.operator in ("<", "<=")]
        return ", ".join(f"{found.quantity} {100 * counts[found.quantity] / found.limit:.0f} %" for found in upper)

    def line(self) -> str:
        """Where the study stands."""
        parts = [f"{self._done:_} of {self._total:_} trials"]
        if self._front:
            parts.append(self._best())
        if self._failed:
            parts.append(f"{self._failed} failed")
        spent = self.spent
        if self.seen and spent > 0:
            parts.append(rate(self.seen / spent))
            if self._done < self._total:
                parts.append(f"{duration((self._total - self._done) * spent / self.seen)} left")
        return ", ".join(parts)

    def _best(self) -> str:
        # of equal ones the first was there before
        index = min(self._front) if len(self._objectives) == 1 else max(self._front)
        use = f" ({self._shares[index]})" if self._shares.get(index) else ""
        if len(self._objectives) == 1:
            return f"best {self._objectives[0].name} {self._front[index][0]:.6g} in trial {index}{use}"
        return f"{len(self._front)} on the front, the newest trial {index}{use}"

    def _tenths(self) -> int:
        return 10 * self._done // max(1, self._total)


def document(trial: Trial) -> dict[str, Any]:
    """A trial, for programs."""
    return {
        "version": 1,
        "index": trial.index,
        "number": trial.number,
        "state": trial.state,
        "point": dict(trial.point),
        "values": {name: finite(value) for name, value in trial.values.items()},
        "params": trial.params,
        "flops": trial.flops,
        "hash": trial.hash,
        "seconds": dict(trial.seconds),
        "finished": None if trial.finished is None else trial.finished.isoformat(),
        "error": trial.error,
        "same_as": trial.same_as,
    }


def finite(value: float) -> float | str:
    """A value as JSON has it, which knows no infinity."""
    from math import isfinite

    return value if isfinite(value) else str(value)


def rate(per_second: float) -> str:
    """`3.1/s`, `12/min`, or `4.0/h`."""
    unit, seconds = next((found for found in (("s", 1), ("min", 60)) if per_second * found[1] >= 1), ("h", 3600))
    return f"{per_second * seconds:.{per_second * seconds < 10:d}f}/{unit}"
