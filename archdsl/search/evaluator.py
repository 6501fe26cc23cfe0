"""A process of its own for the evaluation of specs, so that one that hangs or crashes costs its trial and no more."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from archdsl.search.problems import no_evaluator

_CODE = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from archdsl.search.evaluating import main; main()"
# importing torch on a slow disk
_START_SECONDS = 300.0
_LOOK_SECONDS = 0.2
_TOLD = 600

Step = Callable[[int, float], bool]


class Evaluator:
    """Evaluates specs in a process that is started when it is needed, and started anew after it was killed.

    Parameters
    ----------
    order: what every evaluation needs: `objectives` as pairs of name and settings, `seed`, `device`, `pruning`, `threads`.
    time_limit: seconds for an evaluation, after which its process is killed; None for no limit.
    idle: called a few times a second while an evaluation runs.
    """

    def __init__(self, order: Mapping[str, Any], time_limit: float | None, *, idle: Callable[[], None] = lambda: None) -> None:
        self._order, self._limit, self._idle = dict(order), time_limit, idle
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def evaluate(self, job: Mapping[str, Any], step: Step = lambda number, value: True) -> dict[str, Any]:
        """The result of an evaluation, as `archdsl.search.evaluate.Evaluation` has it.

        `step` is told each intermediate value and says whether to go on.

        Raises
        ------
        SpecError: `no-evaluator`.
        """
        self.start()
        began = time.monotonic()
        deadline = None if self._limit is None else began + self._limit
        self._say(job)
        while True:
            try:
                message = self._hear(deadline)
            except TimeoutError:
                self.close()
                return _failed(f"it took longer than the time limit of {self._limit:g} s, and was stopped", began)
            if message is None:
                return _failed(self._obituary(), began)
            if "step" not in message:
                result: dict[str, Any] = message["result"]
                return result
            self._say({"go": step(message["step"], message["value"])})

    def start(self) -> None:
        """Start the process, unless it runs. Raises `SpecError` `no-evaluator` where it does not start."""
        if self._process is not None:
            return
        # closed with the process
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._said = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            # an interrupt at the terminal is for the worker, which knows what to do
            start_new_session=True,
        )
        self._thread = threading.Thread(target=_listen, args=(self._process, self._said), daemon=True)
        self._thread.start()
        self._say(self._order)
        try:
            message = self._hear(time.monotonic() + _START_SECONDS)
        except TimeoutError:
            self.close()
            raise no_evaluator(f"it said nothing for {_START_SECONDS:.0f} s") from None
        if message is None:
            raise no_evaluator(self._obituary())

    def close(self) -> None:
        """Kill the process, if it runs, with those that it started."""
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            # it closes the other stream, unless a child that left the group holds that open
            self._thread.join(timeout=_LOOK_SECONDS)
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # a process that died is noticed when it is listened to
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _hear(self, deadline: float | None) -> dict[str, Any] | None:
        """What the process says next; None when it died. Raises `TimeoutError`."""
        while True:
            left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - time.monotonic())
            try:
                return self._said.get(timeout=max(0.0, left))
            except queue.Empty:
                if self._gone():
                    return None
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError from None
                self._idle()

    def _gone(self) -> bool:
        """Whether the process died, and nothing is to be heard of it: a child that it left may hold its end of the talk."""
        assert self._process is not None
        if self._process.poll() is None:
            return False
        _kill(self._process)
        self._thread.join(timeout=_LOOK_SECONDS)
        return self._said.empty()

    def _obituary(self) -> str:
        """How the process died, and its last words."""
        assert self._process is not None
        assert self._errors is not None
        code = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        how = f"exit code {code}"
        if code < 0:
            name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
            how = f"{name}, perhaps for want of memory" if name == "SIGKILL" else name
        last = f": {words[-1][-_TOLD:]}" if words else ""
        return f"its process died with {how}{last}"


def _listen(process: subprocess.Popen[str], said: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    assert process.stdout is not None
    # a line that was cut off by a kill is none
    with process.stdout, suppress(ValueError, OSError):
        for line in process.stdout:
            said.put(json.loads(line))
    said.put(None)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and those that it started, such as loaders of data: it leads a group of its own."""
    if hasattr(os, "killpg"):
        # also where it is dead itself: nobody gets the number of a group that has members
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _failed(error: str, began: float) -> dict[str, Any]:
    return {
        "state": "failed",
        "values": [],
        "seconds": {"all": round(time.monotonic() - began, 6)},
        "error": error,
        "bug": None,
    }
