"""What several tests of the search need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.postgres import Postgres, programs, running
from tests.search.studies import Inside, Quick, forget, installed, write_package


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server, one for each process of the tests."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="the driver is not installed: pip install 'archdsl[postgresql]'")
    with running() as server:
        yield server


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specs are evaluated in this process."""
    monkeypatch.setattr("archdsl.search.trial_loop.Evaluator", Inside)
    monkeypatch.setattr("archdsl.search.estimate.Evaluator", Inside)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specs are not evaluated: their numbers are looked up. Nothing is said of what was found."""
    monkeypatch.setattr("archdsl.search.trial_loop.Evaluator", Quick)
    monkeypatch.setattr("archdsl.search.running.conclude", lambda folder, history: None)


@pytest.fixture
def trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The objective `trouble` of a package is installed; its folder."""
    package = write_package(tmp_path / "package")
    with monkeypatch.context() as patch:
        installed(package, patch)
        yield package
    forget()
