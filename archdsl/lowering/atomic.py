"""Files and folders that are written at once or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType


@contextmanager
def file_at_once(path: Path) -> Iterator[Path]:
    """A draft beside `path` to write to; it takes the place of `path` when the work is done, and goes when it fails.

    Whoever writes it, it gets the permissions of a new file.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        draft.unlink(missing_ok=True)
        draft.touch()
        mode = stat.S_IMODE(draft.stat().st_mode)
        yield draft
        draft.chmod(mode)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def folder_at_once(folder: Path, *, check: Callable[[Path], None]) -> Iterator[Path]:
    """A draft folder beside `folder` that takes its place when the work is done, and goes when it fails or is interrupted.

    `check` is given the folder, before the work and again after it, and raises where it must not be replaced.
    """
    target = Path(os.path.realpath(folder))
    check(target)
    draft, old = (target.with_name(f".{target.name}.{os.getpid()}.{word}") for word in ("draft", "old"))
    with _stopped_in_order():
        made = _make_parents(target)
        try:
            _remove(draft)
            draft.mkdir()
            yield draft
            check(target)
            _exchange(draft, target, old)
        finally:
            _remove(draft)
            if target.exists():
                _remove(old)
            _remove_empty(made)


def try_folder(folder: Path) -> None:
    """Raise `OSError` where `folder_at_once` could not write. What is made for the trial is removed."""
    target = Path(os.path.realpath(folder))
    trial = target.with_name(f".{target.name}.{os.getpid()}.trial")
    made = _make_parents(target)
    try:
        trial.mkdir()
        trial.rmdir()
    finally:
        _remove_empty(made)


def _exchange(draft: Path, target: Path, old: Path) -> None:
    try:
        if target.exists():
            target.rename(old)
        draft.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _make_parents(target: Path) -> list[Path]:
    """Make the folders above, and say which are new, the innermost first."""
    missing = [parent for parent in target.parents if not parent.exists()]
    made: list[Path] = []
    try:
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            made.insert(0, parent)
    except OSError:
        _remove_empty(made)
        raise
    return made


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """Let a request to terminate end the work as an exception, so that what was begun is cleaned up."""

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
