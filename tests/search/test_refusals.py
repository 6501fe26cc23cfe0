"""A storage that cannot be had is told at once, by its reason, and never with a password."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from archdsl.search.refusals import missing_driver, refusal
from archdsl.search.storage import open_storage
from archdsl.source.diagnostic import SpecError


def refused(storage: str, tmp_path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        open_storage(storage, tmp_path / "study.db")
    (found,) = caught.value.diagnostics
    assert found.slug == "wrong-storage"
    assert "secret" not in f"{found.message} {found.help} {found.notes}"
    return f"{found.message}\nhelp: {found.help}"


@pytest.mark.parametrize(
    ("url", "module", "help"),
    [
        ("mysql+pymysql://me:secret@localhost/x", "pymysql", "`pip install pymysql` brings the driver"),
        ("mysql://me:secret@localhost/x", "MySQLdb", "`pip install mysqlclient` brings the driver"),
        ("postgresql+psycopg://me:secret@localhost/x", "psycopg", "`pip install 'archdsl[postgresql]'` brings the driver"),
        ("postgresql+psycopg2://me:secret@localhost/x", "psycopg2", "`pip install psycopg2-binary` brings the driver"),
    ],
)
def test_a_missing_driver_is_named(url: str, module: str, help: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    told = refused(url, tmp_path)
    assert f"import of {module} " in told
    assert told.endswith(f"help: {help}")


def test_an_unknown_database(tmp_path: Path) -> None:
    assert "SQLAlchemy knows no database `foo`" in refused("foo://me:secret@localhost/x", tmp_path)


def test_a_driver_without_a_name() -> None:
    assert missing_driver(ImportError("something")) == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('connection failed: FATAL: password authentication failed for user "me"\nagain', "user and password"),
        ("(1045, \"Access denied for user 'me'@'localhost' (using password: YES)\")", "user and password"),
        ("(1049, \"Unknown database 'x'\")", "the name of the database"),
        ('FATAL: database "x" does not exist', "the name of the database"),
        ("failed to resolve host 'x': [Errno -2] Name or service not known", "the name of the host"),
        ("(2003, \"Can't connect to MySQL server on 'x' ([Errno -2] Name or service not known)\")", "the name of the host"),
    ],
)
def test_what_would_be_refused_again(text: str, what: str) -> None:
    error = RuntimeError("around it")
    error.__cause__ = error_of_a_driver = RuntimeError("of SQLAlchemy")
    error_of_a_driver.orig = RuntimeError(text)  # type: ignore[attr-defined]
    assert refusal(error) == (text.partition("\n")[0], refusal(error)[1])  # type: ignore[index]
    assert refusal(error)[1].startswith(f"look at {what}")  # type: ignore[index]


@pytest.mark.parametrize(
    "text", ["Connection refused", "the database system is starting up", "server closed the connection unexpectedly"]
)
def test_what_may_answer_later(text: str) -> None:
    error = RuntimeError("of SQLAlchemy")
    error.orig = RuntimeError(text)  # type: ignore[attr-defined]
    assert refusal(error) is None
