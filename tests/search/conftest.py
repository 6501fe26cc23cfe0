"""What several tests of the search need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.search.postgres import Postgres, programs, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server, one for each process of the tests."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="the driver is not installed: pip install 'archdsl[postgresql]'")
    with running() as server:
        yield server
