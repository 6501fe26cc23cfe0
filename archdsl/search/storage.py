"""Where the trials of a study are kept: SQLite in its folder, a journal, or a database that SQLAlchemy opens."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.search.locking import FileLock
from archdsl.search.patient import PatientStorage
from archdsl.search.problems import damaged, of_storage, reason_of, study_format, unwritable, wrong_storage
from archdsl.search.refusals import missing_driver, refusal
from archdsl.source.diagnostic import SpecError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

_JOURNAL = "journal:"
_JOURNALS = (".journal", ".log")
# how long a writer waits for another one of the same SQLite file
_BUSY_SECONDS = 60


def shown(storage: str | None, database: Path) -> str:
    """A storage as it may be told: without a password."""
    if storage is None:
        return database.as_posix()
    return without_password(storage) if "://" in storage else storage


def without_password(url: str) -> str:
    """A URL without what is secret in it."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        # nobody knows where in it a password might be
        return f"{url.partition('://')[0]}://..."
    if "@" in (found.host or ""):
        # what follows the first @ of a password is taken for the host
        return f"{found.drivername}://..."
    query = {key: value for key, value in found.query.items() if not _secret(key)}
    return found.set(query=query)._replace(password=None).render_as_string()


def _secret(key: str) -> bool:
    return any(word in key.lower() for word in ("pass", "pwd", "secret", "token", "key", "credential", "odbc_connect"))


def file_of(storage: str | None, database: Path) -> Path | None:
    """The file that a storage is, `database` being that of the folder; None where it is none, such as a server."""
    if storage is None:
        return database
    if _is_journal(storage):
        return Path(storage.removeprefix(_JOURNAL))
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(storage)
    except (ArgumentError, ValueError):
        return None
    plain = found.get_backend_name() == "sqlite" and found.database and not found.database.startswith((":", "file:"))
    return Path(found.database or "") if plain else None


def placed(storage: str, folder: Path) -> str:
    """A storage with the path of its file, if it is one, seen from a folder and written in full."""
    found = file_of(storage, Path())
    return storage if found is None else _of_file(storage, _full(folder / found))


def kept(storage: str, folder: Path) -> str:
    """A storage as the lock of a folder has it: `placed` finds it again, also when its file moves with the folder."""
    found = file_of(storage, Path())
    if found is None:
        return without_password(storage)
    path, here = _full(found), _full(folder)
    return _of_file(storage, path.relative_to(here) if path.is_relative_to(here) else path)


def _full(path: Path) -> Path:
    # links stay as they were written
    return Path(os.path.abspath(path))  # noqa: PTH100


def _of_file(storage: str, path: Path) -> str:
    if _is_journal(storage):
        return f"{_JOURNAL if storage.startswith(_JOURNAL) else ''}{path.as_posix()}"
    from sqlalchemy.engine import make_url

    return make_url(storage).set(database=path.as_posix()).render_as_string()


def _is_journal(storage: str) -> bool:
    return storage.startswith(_JOURNAL) or ("://" not in storage and storage.endswith(_JOURNALS))


def open_storage(
    storage: str | None, database: Path, *, waiting: Callable[[str], None] = lambda reason: None
) -> PatientStorage:
    """The storage that a text names, `database` being the SQLite file of the study's own folder.

    Parameters
    ----------
    storage: None for SQLite in the folder, `journal:PATH`, a path that ends in `.journal` or `.log`, or a URL.
    waiting: told why, when the storage does not answer and is asked again.

    Raises
    ------
    SpecError: `wrong-storage`, `damaged-study`, `study-format`, `unwritable-study`, `storage-gone`.
    """
    return _opened(storage, database, shown(storage, database), waiting)


def _opened(storage: str | None, database: Path, where: str, waiting: Callable[[str], None]) -> PatientStorage:
    with _told(where):
        if storage is None:
            return _sqlite(database, where, waiting)
        if _is_journal(storage):
            return _journal(Path(storage.removeprefix(_JOURNAL)), where, waiting)
        if "://" not in storage:
            raise wrong_storage(storage, "it is no URL")
        return _database(storage, where, waiting)


@contextmanager
def reading_storage(storage: str | None, database: Path) -> Iterator[PatientStorage]:
    """The storage of a study to look at, read from a copy where its file cannot be written. Raises as `open_storage`."""
    file = file_of(storage, database)
    with ExitStack() as ending:
        where = shown(storage, database)
        if file is not None and file.is_file() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
            copy = Path(ending.enter_context(tempfile.TemporaryDirectory()), file.name)
            _copy(file, copy, where)
            storage, database = (None, copy) if storage is None else (_of_file(storage, copy), database)
        found = _opened(storage, database, where, lambda reason: None)
        ending.callback(found.close)
        yield found


def _copy(file: Path, copy: Path, where: str) -> None:
    """Copy a storage that is a file, with what SQLite keeps beside it."""
    try:
        shutil.copyfile(file, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{file}-wal", f"{copy}-wal")
    except OSError as error:
        raise wrong_storage(where, (error.strerror or str(error)).lower(), "give the right to read it") from error


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What keeps a storage from being opened, as one error."""
    try:
        yield
    except SpecError:
        raise
    except ImportError as error:
        raise wrong_storage(where, reason_of(error), missing_driver(error)) from error
    except Exception as error:
        raise of_storage(error, where) or wrong_storage(where, reason_of(error)) from error


def _sqlite(path: Path, where: str, waiting: Callable[[str], None]) -> PatientStorage:
    from sqlalchemy.engine import URL

    path.parent.mkdir(parents=True, exist_ok=True)
    guard = FileLock(path.with_name(f".{path.name}.guard"))
    with guard:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            # what was written before a power cut stays readable, and readers do not wait for writers
            connection.execute("PRAGMA journal_mode=WAL")
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise damaged(where, str(found[0] if found else "it fails SQLite's check"))
        url = URL.create("sqlite", database=str(path)).render_as_string()
        made = _rdb(url, where, {"connect_args": {"timeout": _BUSY_SECONDS}})
    _set_up(made)
    # sqlite has no lock on a row: what must not happen twice is done under a lock on a file
    return PatientStorage(made, where, guard=guard, waiting=waiting)


def _set_up(storage: RDBStorage) -> None:
    """Connections of SQLite that do not wait for the disk at each commit: a killed process loses nothing by it."""
    from sqlalchemy import event

    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(storage.engine, "connect", connected)
    storage.engine.dispose()


def _database(url: str, where: str, waiting: Callable[[str], None]) -> PatientStorage:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise wrong_storage(where, "this is no URL of a database") from None
    if "@" in (found.host or ""):
        raise wrong_storage(where, "an `@` ends the password", "write `%40` for each `@` in a user or a password")
    try:
        found.get_dialect()
    except NoSuchModuleError:
        reason = f"SQLAlchemy knows no database `{found.drivername}`"
        raise wrong_storage(
            where, reason, "take SQLite, PostgreSQL, MySQL or a journal; other databases need a package"
        ) from None
    if found.get_backend_name() == "sqlite":
        plain = "`sqlite:///PATH` is all that is taken"
        if not found.database or found.database == ":memory:":
            raise wrong_storage(where, "a study is kept in a file", plain)
        if found.database.startswith("file:") or found.query:
            raise wrong_storage(where, "it has more than the path of a file", plain)
        if found.get_driver_name() != "pysqlite":
            raise wrong_storage(where, f"SQLite is not opened by `{found.get_driver_name()}`", plain)
        return _sqlite(Path(found.database), where, waiting)
    holder = PatientStorage(None, where, waiting=waiting)
    # a server that restarts is waited for, also at the very beginning
    holder.inner = holder.patiently(lambda: _server(url, where))
    return holder


def _server(url: str, where: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _rdb(url, where, {"pool_pre_ping": True, "pool_size": 5})
    except SQLAlchemyError as error:
        # one who is refused at the beginning would be refused again, and locked out in the end
        if refused := refusal(error):
            raise wrong_storage(where, *refused) from error
        raise


def _rdb(url: str, where: str, options: dict[str, Any]) -> BaseStorage:
    from optuna.storages import RDBStorage

    try:
        # Optuna fills in a field of its own between braces
        return RDBStorage(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=options)
    except RuntimeError as error:
        if "version" not in str(error):
            raise
        raise study_format(where, "its tables are those of another Optuna") from error


def _journal(path: Path, where: str, waiting: Callable[[str], None]) -> PatientStorage:
    import optuna.storages as storages
    from optuna.storages.journal import JournalFileBackend

    if path.is_dir() or not path.name:
        raise wrong_storage(where, "a journal is a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise unwritable(where, "permission denied")
    lock = _JournalLock(path)
    lock.acquire()
    lock.release()
    try:
        made = storages.JournalStorage(JournalFileBackend(str(path), lock))
    except OSError:
        raise
    except Exception as error:
        # it is read as a whole, and a record that is none fails in as many ways as there are records
        raise damaged(where, f"a line of it is no record ({reason_of(error)})") from error
    return PatientStorage(made, where, waiting=waiting)


class _JournalLock:
    """The lock of a journal: it goes with a process that dies, and its next holder takes away a record that was cut off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_name(f".{path.name}.guard"))

    def acquire(self) -> bool:
        """Wait for it."""
        self._lock.__enter__()
        with suppress(FileNotFoundError), self._path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            whole = _last_line_end(file, end)
            if whole < end:
                file.truncate(whole)
        return True

    def release(self) -> None:
        """Give it back."""
        self._lock.__exit__(None, None, None)


def _last_line_end(file: Any, end: int) -> int:
    """Where the last whole line of a file ends."""
    at, block = end, 4096
    while at > 0:
        start = max(0, at - block)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0
