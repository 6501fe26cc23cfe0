"""Storages by name, what is wrong with them as one error, and patience with those that are away."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from sqlalchemy.exc import OperationalError

from archdsl.search import patient
from archdsl.search.patient import PatientStorage
from archdsl.search.storage import kept, open_storage, placed, reading_storage, shown, without_password
from archdsl.source.diagnostic import SpecError


def _slug(error: pytest.ExceptionInfo[SpecError]) -> str:
    [found] = error.value.diagnostics
    return found.slug


def _study(storage: PatientStorage) -> int:
    return storage.create_new_study([StudyDirection.MINIMIZE], "s")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://me:secret@host:5/db", "postgresql+psycopg://me@host:5/db"),
        ("postgresql://host/db?user=me&password=secret&sslmode=require", "postgresql://host/db?sslmode=require&user=me"),
        ("mysql://me:se%40cret@host/db", "mysql://me@host/db"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("nonsense://a:secret@b:port/c", "nonsense://..."),
        ("postgresql+psycopg://me:top@secret@host/db", "postgresql+psycopg://..."),
        ("postgresql+psycopg://host/db?user=me&PWD=secret", "postgresql+psycopg://host/db?user=me"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dsecret", "mssql+pyodbc:///"),
    ],
)
def test_passwords_are_not_told(url: str, told: str, tmp_path: Path) -> None:
    assert "secret" not in without_password(url)
    assert sorted(without_password(url)) == sorted(told)
    assert shown(url, tmp_path) == without_password(url)


def test_a_password_with_an_at_sign(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="write `%40`") as caught:
        open_storage("postgresql+psycopg://me:top@secret@127.0.0.1:1/db", tmp_path / "study.db")
    assert _slug(caught) == "wrong-storage"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "full", "noted"),
    [
        ("a.journal", "/x/s/a.journal", "a.journal"),
        ("journal:../a", "journal:/x/a", "journal:/x/a"),
        ("sqlite:///deep/a.db", "sqlite:////x/s/deep/a.db", "sqlite:///deep/a.db"),
        ("sqlite:////y/a.db", "sqlite:////y/a.db", "sqlite:////y/a.db"),
        ("postgresql://me:secret@host/db", "postgresql://me:secret@host/db", "postgresql://me@host/db"),
    ],
)
def test_where_the_file_of_a_storage_lies(given: str, full: str, noted: str) -> None:
    folder = Path("/x/s")
    assert placed(given, folder) == full == placed(full, Path("/elsewhere"))
    assert kept(full, folder) == noted


def test_sqlite_is_made_where_there_is_none(tmp_path: Path) -> None:
    database = tmp_path / "new" / "study.db"
    storage = open_storage(None, database)
    assert _study(storage) == 1
    assert sqlite3.connect(database).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert open_storage(f"sqlite:///{database}", tmp_path / "other.db").get_study_id_from_name("s") == 1
    assert not (tmp_path / "other.db").exists()


def test_odd_names_of_folders(tmp_path: Path) -> None:
    folder = tmp_path / "a {b} ?c=%20#d é"
    assert _study(open_storage(None, folder / "study.db")) == 1
    assert (folder / "study.db").exists()


@pytest.mark.parametrize("text", ["journal:{}/a", "{}/a.journal", "{}/deep/a.log"])
def test_journals(text: str, tmp_path: Path) -> None:
    name = text.format(tmp_path)
    storage = open_storage(name, tmp_path / "study.db")
    study = _study(storage)
    storage.create_new_trial(study)
    again = open_storage(name, tmp_path / "study.db")
    assert again.get_n_trials(again.get_study_id_from_name("s")) == 1
    assert not (tmp_path / "study.db").exists()


def test_a_record_that_was_cut_off_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    storage = open_storage(str(path), tmp_path)
    study = _study(storage)
    storage.create_new_trial(study)
    whole = path.read_bytes()
    storage.create_new_trial(study)
    for end in (len(whole), len(whole) + 1, len(path.read_bytes()) - 1):
        path.write_bytes((whole + b'{"op_code":4,"worker_id":"' + b"x" * 5000)[:end])
        again = open_storage(str(path), tmp_path)
        study = again.get_study_id_from_name("s")
        assert again.get_n_trials(study) == 1
        again.create_new_trial(study)
        assert all(json.loads(line) for line in path.read_text().splitlines())


def test_damage(tmp_path: Path) -> None:
    database = tmp_path / "study.db"
    study = _study(open_storage(None, database))
    assert study == 1
    good = database.read_bytes()
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    for bad in (b"no database at all" * 300, good[:4096] + b"\x07" * 20_000):
        database.write_bytes(bad)
        with pytest.raises(SpecError) as caught:
            open_storage(None, database)
        assert _slug(caught) == "damaged-study"
        # it is left as it is
        assert database.read_bytes() == bad


@pytest.mark.parametrize("line", ["no record\n", '{"op_code": 0}\n', "[]\n", '{"op_code": 99, "worker_id": "a"}\n'])
def test_damage_of_a_journal(line: str, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    storage = open_storage(str(path), tmp_path)
    storage.create_new_trial(_study(storage))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], line, *lines[1:]]))
    with pytest.raises(SpecError) as caught:
        open_storage(str(path), tmp_path)
    assert _slug(caught) == "damaged-study"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trials.txt", "it is no URL"),
        ("postgresql", "it is no URL"),
        ("://", "this is no URL of a database"),
        ("nonsense://a/b", "SQLAlchemy knows no database `nonsense`"),
        ("redis://localhost", "SQLAlchemy knows no database `redis`"),
        ("oracle+nothing://a:pass@b/c", "SQLAlchemy knows no database `oracle+nothing`"),
        ("sqlite://", "a study is kept in a file"),
        ("sqlite:///:memory:", "a study is kept in a file"),
        ("sqlite:///{}/a.db?timeout=5", "it has more than the path of a file"),
        ("sqlite:///file:{}/a.db?uri=true", "it has more than the path of a file"),
        ("journal:", "a journal is a file"),
    ],
)
def test_no_storage(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        open_storage(text.format(tmp_path), tmp_path / "study.db")
    assert _slug(caught) == "wrong-storage"
    assert said in str(caught.value)
    assert "pass@" not in str(caught.value)
    assert not list(tmp_path.iterdir())


class Away(InMemoryStorage):
    """Does not answer for some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def get_all_studies(self) -> list:
        self.calls -= 1
        if self.calls >= 0:
            raise OperationalError("select 1", None, ConnectionError("refused"))
        return super().get_all_studies()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes by sleeping only; the sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(patient.time, "sleep", slept.append)
    monkeypatch.setattr(patient.time, "perf_counter", lambda: sum(slept))
    return slept


def test_a_storage_that_comes_back(clock: list[float]) -> None:
    heard: list[str] = []
    storage = PatientStorage(Away(8), "here", waiting=heard.append)
    assert storage.get_all_studies() == []
    assert heard == ["the storage `here` does not answer"]
    assert len(clock) == 8
    assert 5 < sum(clock) < patient.PATIENCE


def test_a_storage_that_does_not(clock: list[float]) -> None:
    storage = PatientStorage(Away(10**6), "here")
    with pytest.raises(SpecError, match="did not answer for 6") as caught:
        storage.get_all_studies()
    assert _slug(caught) == "storage-gone"
    spent = sum(clock)
    assert patient.PATIENCE <= spent < patient.PATIENCE + 5
    # who is given up is not waited for as long again by what is put away at the end
    with pytest.raises(SpecError, match="did not answer"):
        storage.get_all_studies()
    assert sum(clock) == spent


def test_what_is_no_fault_of_the_storage_is_raised() -> None:
    storage = PatientStorage(InMemoryStorage(), "here")
    with pytest.raises(KeyError):
        storage.get_study_id_from_name("s")


def test_a_full_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "study.db"
    storage = open_storage(None, database)
    _study(storage)
    from sqlalchemy import event

    # as much as the file has by now
    event.listen(storage.inner._backend.engine, "connect", lambda made, _: made.execute("PRAGMA max_page_count=1"))
    storage.inner._backend.engine.dispose()
    with pytest.raises(SpecError, match="full") as caught:
        for _ in range(1000):
            storage.create_new_trial(1)
    assert _slug(caught) == "unwritable-study"


@pytest.mark.parametrize("text", [None, "sqlite:///{}/other.db", "{}/a.journal", "journal:{}/b"])
def test_a_look_at_a_folder_that_cannot_be_written(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, database = text and text.format(tmp_path), tmp_path / "study.db"
    storage = open_storage(name, database)
    storage.create_new_trial(_study(storage))
    storage.close()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: tmp_path not in (path, path.parent) and access(path, mode))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with reading_storage(name, database) as found:
        assert found.get_n_trials(found.get_study_id_from_name("s")) == 1
        assert found.where == shown(name, database)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
