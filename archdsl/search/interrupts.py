"""Interrupts of a run: the first asks it to finish what runs, the second stops it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A study was interrupted; all that was finished is saved, and `resume` goes on."""


class Interrupts:
    """While this is entered, Ctrl-C sets `asked`, and raises `Interrupted` the second time.

    A request to end (SIGTERM) raises it at once. Signals reach the main thread only; elsewhere it just holds `asked`.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._taken)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _taken(self, number: int, frame: FrameType | None) -> None:
        if self.asked or number != signal.SIGINT:
            raise Interrupted
        self.asked = True
