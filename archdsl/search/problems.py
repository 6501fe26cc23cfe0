"""What can go wrong with a study, each as one error with a slug, and what an exception of a storage means."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from archdsl.source.diagnostic import Diagnostic, Note, SpecError

# of the system: more of the same will not help
_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def not_a_study(where: Path, reason: str, help: str) -> SpecError:
    """There is nothing to search in a folder."""
    return SpecError([Diagnostic("not-a-study", f"`{where.as_posix()}` holds no study: {reason}", help=help)])


def study_exists(where: str, done: int) -> SpecError:
    """A run would begin a study that was begun."""
    told = f"it has {_trials(done)}" if done else "its first trial is running"
    help = f"`archdsl search resume {where}` goes on with it; a run from the start needs another folder: `-o DIR`"
    return SpecError([Diagnostic("study-exists", f"`{where}` was begun: {told}", help=help)])


def study_elsewhere(where: str, storage: str) -> SpecError:
    """A run would begin a study that was begun in a storage which is not asked."""
    help = f"`archdsl search resume {where}` goes on with it; a run from the start needs another folder: `-o DIR`"
    return SpecError([Diagnostic("study-exists", f"`{where}` was begun: its trials are in `{storage}`", help=help)])


def results_exist(where: str, done: int) -> SpecError:
    """A run would write over what a study found whose trials are elsewhere, such as one that is packaged."""
    message = f"`{where}` holds what {_trials(done)} found, though not the trials themselves"
    help = f"`archdsl search run {where} -o DIR` searches in a folder of its own; `archdsl search show {where}` shows these"
    return SpecError([Diagnostic("study-exists", message, help=help)])


def never_begun(where: Path, done: int = 0) -> SpecError:
    """A study to go on with that has no trials; `done` are in the table of what was found."""
    if done:
        help = f"`archdsl search run {where.as_posix()} -o DIR` begins a study of the same space in a folder of its own"
        return not_a_study(where, f"its trials are not here, only what {_trials(done)} found", help)
    return not_a_study(where, "it was never begun", f"`archdsl search run {where.as_posix()}` begins it")


def _trials(count: int) -> str:
    return f"{count:_} trial{'s' * (count != 1)}"


def study_format(where: str, reason: str) -> SpecError:
    """A lock or a history of another format."""
    message = f"`{where}` was written by another version: {reason}"
    return SpecError([Diagnostic("study-format", message, help="go on with the version that wrote it, or begin another study")])


def study_changed(where: Path, what: str, was: str, now: str) -> SpecError:
    """A study that is no longer the one that was begun."""
    note = Note(f"it was {_short(was)}, it is {_short(now)}")
    message = f"{what} of `{where.as_posix()}` changed since the study was begun"
    help = "undo the change, or begin another study in a folder of its own"
    return SpecError([Diagnostic("study-changed", message, notes=(note,), help=help)])


def other_data(where: Path, what: str, was: str, now: str) -> SpecError:
    """A study whose objective would be measured on other data, such as other images."""
    message = f"{what} names other data than the study `{where.as_posix()}` was begun with"
    notes = (
        Note(f"it was {was}"),
        Note(f"it is {now}"),
        Note("what is measured on other data cannot be compared with the trials that are done"),
    )
    help = "name the same data, wherever it lies by now, or begin another study in a folder of its own: `-o DIR`"
    return SpecError([Diagnostic("study-changed", message, notes=notes, help=help)])


def edited_since(file: Path, folder: Path, copy: Path) -> SpecError:
    """The file of a space, or one beside it, that is no longer what its study has."""
    message = f"`{file.as_posix()}` was edited since its study was begun: `{(folder / copy).as_posix()}` is another"
    help = (
        f"`archdsl search run {file.as_posix()} -o DIR` begins another study; "
        f"`archdsl search resume {folder.as_posix()}` goes on with the one that was begun"
    )
    return SpecError([Diagnostic("study-changed", message, help=help)])


def damaged(where: str, reason: str) -> SpecError:
    """A history or a lock that cannot be read."""
    help = "put back a copy; without one, move it away and begin again: equal seeds draw equal specs"
    return SpecError([Diagnostic("damaged-study", f"`{where}` cannot be read: {reason}", help=help)])


def unwritable(where: str, reason: str) -> SpecError:
    """A folder or storage that takes no more."""
    help = "make room or give the right to write; then `archdsl search resume` goes on, and what was finished is there"
    return SpecError([Diagnostic("unwritable-study", f"`{where}` cannot be written: {reason}", help=help)])


def storage_gone(where: str, seconds: float, reason: str) -> SpecError:
    """A storage that did not answer."""
    message = f"the storage `{where}` did not answer for {seconds:.0f} s"
    help = "when it is back, `archdsl search resume` goes on; at most the running trials are measured again"
    return SpecError([Diagnostic("storage-gone", message, notes=(Note(_short(reason, 300)),), help=help)])


def wrong_storage(text: str, reason: str, help: str = "") -> SpecError:
    """A storage that nobody knows, or that refuses."""
    help = (
        help
        or "SQLite is taken without one; else `journal:PATH`, a file ending in .journal or .log, or a URL such as `postgresql://`"
    )
    return SpecError([Diagnostic("wrong-storage", f"`{text}` is no storage that can be opened: {reason}", help=help)])


def failing(count: int, reason: str) -> SpecError:
    """A study that only fails."""
    message = f"{count} trials failed one after the other, and the study was stopped"
    note = Note(f"the last: {_short(reason, 300)}")
    help = "repair the objective, then `archdsl search resume --retry-failed` repeats them, and goes on"
    return SpecError([Diagnostic("failing-trials", message, notes=(note,), help=help)])


def no_objective(name: str) -> SpecError:
    """A space that says not what is better."""
    help = "add a line such as `maximize zen_score` or `minimize latency`"
    return SpecError([Diagnostic("no-objective", f"`{name}` has no objective, so nothing in it is better", help=help)])


def no_evaluator(reason: str) -> SpecError:
    """The process that evaluates specs does not start."""
    message = "the process that evaluates specs does not start"
    return SpecError([Diagnostic("no-evaluator", message, notes=(Note(_short(reason, 400)),), help="repair what it says")])


def no_workers(reason: str) -> SpecError:
    """The processes of a study do nothing but die."""
    message = "the workers of the study die one after the other"
    return SpecError([Diagnostic("no-evaluator", message, notes=(Note(_short(reason, 400)),), help="repair what it says")])


def of_storage(error: BaseException, where: str) -> SpecError | None:
    """The lasting reason why a storage failed; None where it may answer when it is asked again."""
    for cause in _chain(error):
        name = getattr(cause, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return damaged(where, str(cause))
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return unwritable(where, f"{cause}; is the disk full?")
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return unwritable(where, str(cause))
        if isinstance(cause, OSError) and cause.errno in _FULL | _CLOSED:
            return unwritable(where, (cause.strerror or str(cause)).lower())
        if isinstance(cause, ValueError) and ("log format" in str(cause) or type(cause).__name__ == "JSONDecodeError"):
            return damaged(where, str(cause))
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        original = getattr(error, "orig", None)
        if isinstance(original, BaseException):
            yield original
        error = error.__cause__ or error.__context__


def reason_of(error: BaseException) -> str:
    """The innermost reason of an error, on one line."""
    last = list(_chain(error))[-1]
    return " ".join(str(last).split()) or type(last).__name__


def _short(text: str, most: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
