"""Who works on a trial, whether he is alive, and the beat by which the others know."""

from __future__ import annotations

import itertools
import os
import platform
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from archdsl.search.ledger import BEAT, WORKER

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

# how often a worker says that it lives, and for how long it may say nothing
BEAT_SECONDS, GRACE_SECONDS = 10.0, 60.0

_COUNT = itertools.count(1)
_LIVE: set[str] = set()


@cache
def _machine() -> str:
    """The machine since it was started, and the name space of its processes."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]"))
    return "-".join(part.replace("/", "_") for part in parts)


def _born(pid: int) -> str | None:
    """When a process of this machine was started, in ticks; empty where the system does not tell, None where there is none."""
    if Path("/proc/self/stat").exists():
        try:
            # the name in brackets may hold anything
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if fields[0] in ("Z", "X") else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""


def is_here(worker: str) -> bool:
    """Whether a worker is, or was, of this machine since it was started."""
    return worker.partition("/")[0] == _machine()


def is_dead(worker: str) -> bool:
    """Whether a worker surely is no more. One of another machine may be, and only its beat tells."""
    if not is_here(worker):
        return False
    _, _, rest = worker.partition("/")
    process, _, _ = rest.partition("/")
    pid, _, born = process.partition("-")
    if not pid.isdigit():
        return False
    return worker not in _LIVE if int(pid) == os.getpid() else _born(int(pid)) != born


class Lease:
    """This worker: a name that no other has, and a thread that renews its hold on the trial that it works on."""

    def __init__(self, storage: BaseStorage) -> None:
        self.worker = f"{_machine()}/{os.getpid()}-{_born(os.getpid()) or ''}/{next(_COUNT)}"
        self._storage = storage
        self._trial: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="archdsl-lease", daemon=True)

    def __enter__(self) -> Lease:
        _LIVE.add(self.worker)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        _LIVE.discard(self.worker)

    def hold(self, trial_id: int | None) -> None:
        """Renew the hold on this trial from now on; on none."""
        self._trial = trial_id

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            trial = self._trial
            if trial is not None:
                # a storage that is away is waited for elsewhere; a trial that was taken away is noticed when it ends
                with suppress(Exception):
                    self._storage.set_trial_user_attr(trial, BEAT, round(time.time(), 1))


class Watch:
    """Which trials of others are held by nobody any more.

    Clocks of machines differ: what counts is how long this process has seen the same beat.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, float]] = {}
        self._heard: set[int] = set()

    def is_alive(self, frozen: FrozenTrial, *, mine: str) -> bool:
        """Whether the worker of a running trial surely lives: it is of this machine and not dead, or its beat was heard."""
        worker = frozen.user_attrs.get(WORKER, "")
        return worker == mine or (is_here(worker) and not is_dead(worker)) or frozen.number in self._heard

    def is_stale(self, frozen: FrozenTrial, *, mine: str, current: int | None) -> bool:
        """Whether a running trial is to be given back; `current` is the number of the one that this worker, `mine`, is at."""
        worker = frozen.user_attrs.get(WORKER, "")
        if worker == mine:
            return frozen.number != current
        if worker and is_dead(worker):
            return True
        beat = frozen.user_attrs.get(BEAT)
        last, since = self._seen.get(frozen.number, (None, 0.0))
        now = time.monotonic()
        if since == 0.0 or beat != last:
            if since:
                self._heard.add(frozen.number)
            self._seen[frozen.number] = (beat, now)
            return False
        return now - since > GRACE_SECONDS
