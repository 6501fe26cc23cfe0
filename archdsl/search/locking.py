"""A lock on a file, which the system takes back from a process that dies."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType


class FileLock:
    """One holder at a time among the threads and processes of a machine; the file stays behind, empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.RLock()
        self._depth = 0
        self._handle = -1

    def __enter__(self) -> FileLock:
        self._thread.acquire()
        try:
            if not self._depth:
                self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
                try:
                    _lock(self._handle)
                except BaseException:
                    os.close(self._handle)
                    raise
            self._depth += 1
        except BaseException:
            self._thread.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._depth -= 1
        try:
            if not self._depth:
                # closing gives it back, too
                os.close(self._handle)
        finally:
            self._thread.release()


if os.name == "nt":
    import msvcrt
    import time

    def _lock(handle: int) -> None:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
            except OSError:
                # it gives up after ten tries
                time.sleep(0.05)
            else:
                return
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
