"""A study on a PostgreSQL server: shared by workers, and gone on with after the server was away."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from archdsl.cli.main import main
from tests.search.postgres import PASSWORD, Postgres
from tests.search.studies import write_study

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TRIALS = 48
AWAY_SECONDS = 10.0


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with a space of small specs."""
    return write_study(tmp_path, objectives="minimize synflow")


class Running:
    """`archdsl search` in a process of its own, whose finished trials are read as they come."""

    def __init__(self, *words: str) -> None:
        self.trials: list[dict[str, object]] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "archdsl", "search", *words, "--json"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, count: int | None = None) -> None:
        """Read until so many trials have finished, or to the end."""
        while count is None or len(self.trials) < count:
            line = self._lines.get(timeout=300)
            if line is None:
                assert count is None, f"it ended after {len(self.trials)} trials: {self.said()}"
                return
            self.trials.append(json.loads(line))

    def said(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read()

    def end(self) -> int:
        self.until()
        return self._process.wait(timeout=300)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def test_a_server_that_is_away_for_ten_seconds(study: Path, postgres: Postgres) -> None:
    url = postgres.new_database("away")
    run = Running("run", str(study), "--trials", str(TRIALS), "--workers", "2", "--storage", url)
    try:
        run.until(TRIALS // 4)
        postgres.stop()
        time.sleep(AWAY_SECONDS)
        postgres.start()
        assert len(run.trials) < TRIALS
        assert run.end() == 0, run.said()
    finally:
        run.kill()
    # each is told once, and each is there once
    assert sorted(trial["index"] for trial in run.trials) == list(range(TRIALS))
    assert {trial["state"] for trial in run.trials} == {"done"}
    shown = Running("show", str(study), "--storage", url)
    try:
        assert shown._process.wait(timeout=120) == 0
    finally:
        shown.kill()
    found = postgres.query("away", "select state, count(*) from trials group by state")
    assert dict(found)["COMPLETE"] == TRIALS
    assert "RUNNING" not in dict(found)
    # no spec was measured twice
    hashes = [trial["hash"] for trial in run.trials if trial["same_as"] is None]
    assert len(hashes) == len(set(hashes))
    assert PASSWORD not in "".join(path.read_text() for path in study.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"password": "no-such-secret"}, "password authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"host": "no-such-host.invalid"}, "resolve host"),
    ],
)
def test_a_server_that_cannot_be_had(
    how: dict[str, str], reason: str, study: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.url(**how)
    assert main(["search", "run", str(study), "--storage", url]) == 2
    shown, said = capsys.readouterr()
    assert shown == ""
    assert said.count("error[") == 1
    assert "error[wrong-storage]" in said
    assert reason in " ".join(said.split())
    assert how.get("password", PASSWORD) not in said
    assert PASSWORD not in said


def test_workers_of_other_shells_share_a_study(study: Path, postgres: Postgres) -> None:
    url = postgres.new_database("shells")
    run = Running("run", str(study), "--trials", "24", "--storage", url)
    other = None
    try:
        run.until(2)
        other = Running("worker", str(study), "--storage", url)
        assert run.end() == 0, run.said()
        assert other.end() == 0, other.said()
    finally:
        run.kill()
        if other is not None:
            other.kill()
    assert sorted(trial["index"] for trial in run.trials) == list(range(24))
    workers = postgres.query("shells", "select distinct value_json from trial_user_attributes where key = 'worker'")
    assert len(workers) == 2
