"""A PostgreSQL server of Debian's package, on loopback, for as long as a test needs it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

USER = "archdsl"
PASSWORD = "a-secret-of-the-test"
DATABASE = "postgres"
# how long a server may take to start or to stop
_PATIENCE = 60.0


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`: the newest that Debian installs, else of the path; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found and (found[-1].parent / "postgres").exists() else None


class Postgres:
    """A server in a folder of its own, which may be stopped and started again at the same port."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self._log = folder / "log"
        self._user = _unprivileged(folder)
        self._server: subprocess.Popen[bytes] | None = None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            *("initdb", "-D", str(self._data), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(secret)),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        self.port = 0

    def url(self, *, password: str = PASSWORD, host: str = "127.0.0.1", database: str = DATABASE) -> str:
        """The storage as Optuna takes it."""
        return f"postgresql+psycopg://{USER}:{password}@{host}:{self.port}/{database}"

    def new_database(self, name: str) -> str:
        """An empty database; its URL."""
        import psycopg

        with psycopg.connect(self._address(), autocommit=True) as connection:
            connection.execute(f'create database "{name}"'.encode())
        return self.url(database=name)

    def query(self, database: str, text: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        import psycopg

        with psycopg.connect(self._address(database)) as connection:
            return connection.execute(text.encode()).fetchall()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        for _ in range(5):
            # another may take a free port before the server does; once it has one it keeps it
            port = self.port or _free_port()
            with self._log.open("ab") as log:
                self._server = subprocess.Popen(
                    [
                        *(str(self._programs / "postgres"), "-D", str(self._data), "-h", "127.0.0.1", "-p", str(port)),
                        # nothing of it has to outlive the machine
                        *("-k", "", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB"),
                    ],
                    cwd=self._data,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    **self._user,
                )
            if self._answers(port):
                self.port = port
                return
            self.stop()
        raise RuntimeError(f"PostgreSQL does not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Stop it; clients lose their connections."""
        if self._server is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                self._server.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(_PATIENCE)
                break
        self._server = None

    def _answers(self, port: int) -> bool:
        """Whether it takes connections, waiting for it as long as it runs."""
        import psycopg

        assert self._server is not None
        begun = time.monotonic()
        while self._server.poll() is None and time.monotonic() - begun < _PATIENCE:
            with suppress(psycopg.OperationalError), psycopg.connect(self._address(port=port)):
                return True
            time.sleep(0.05)
        return False

    def _address(self, database: str = DATABASE, *, port: int | None = None) -> str:
        return f"host=127.0.0.1 port={port or self.port} user={USER} password={PASSWORD} dbname={database} connect_timeout=5"

    def _run(self, program: str, *words: str) -> None:
        call = [str(self._programs / program), *words]
        done = subprocess.run(call, cwd=self._data.parent, capture_output=True, text=True, check=False, **self._user)
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def running() -> Iterator[Postgres]:
    """A server that is gone afterwards, with its folder."""
    found = programs()
    assert found is not None
    # not below pytest's folder, which only its owner may enter
    folder = Path(tempfile.mkdtemp(prefix="archdsl-postgres-"))
    server = None
    try:
        server = Postgres(folder, found)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How a server is started by someone who is not root, whom it refuses; the folder becomes his."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if os.geteuid() != 0:
        return {"env": environment}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    owner = names.get("postgres") or names["nobody"]
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return {"env": environment, "user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
