"""The line that says what is being done, for runs that take a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from archdsl.source.cells import safe

_PATIENCE = 0.3


class Progress:
    """One line on a terminal, shown after 300 ms and removed at the end; elsewhere a line for each step under `-v`."""

    def __init__(self, stream: TextIO | None, width: int, reason: Callable[[str], None], say: Callable[[str], None]) -> None:
        self._stream, self._width, self._reason, self._say = stream, width, reason, say
        self._lock = threading.Lock()
        self._text, self._shown = "", False
        self._timer: threading.Timer | None = None

    def step(self, text: str) -> None:
        """Say what is being done now."""
        if self._stream is None:
            self._reason(text)
            return
        with self._lock:
            self._text = safe(text)
            if self._shown:
                self._draw()

    def above(self, text: str) -> None:
        """Say something that stays, above the line that is being shown."""
        with self._lock:
            if self._stream is not None and self._shown:
                self._stream.write("\r\x1b[K")
            self._say(text)
            if self._shown:
                self._draw()

    def __enter__(self) -> Progress:
        if self._stream is not None:
            self._timer = threading.Timer(_PATIENCE, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        with self._lock:
            if self._shown and self._stream is not None:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
            self._stream, self._shown = None, False

    def _show(self) -> None:
        with self._lock:
            if self._stream is not None:
                self._shown = True
                self._draw()

    def _draw(self) -> None:
        assert self._stream is not None
        self._stream.write("\r\x1b[K" + self._text[: self._width - 1])
        self._stream.flush()
