"""Runs that are killed at random moments, and end as if nobody had killed them."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from archdsl import search
from archdsl.search.folder import StudyFolder
from archdsl.search.ledger import Ledger
from archdsl.search.storage import open_storage
from archdsl.search.study import plan
from tests.search.studies import told, write_study

ROOT = Path(__file__).parents[2]
KILLS = 10

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]


def _start(study: Path, package: Path, call: str) -> subprocess.Popen[bytes]:
    code = f"import os\nfrom archdsl import search\nsearch.{call}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(package)]), "STUDY": str(study)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)


def _settings(trials: int, sampler: str) -> str:
    # slow enough that a run on a machine with other work does not end between two looks at it
    return f"trials: {trials}\nsampler: {sampler}\nseed: 4\nobjectives: {{trouble: {{seconds: 0.05}}}}\n"


def _children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                yield int(path.parent.name)


def _count(study: Path) -> int:
    """How many trials have ended well."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{study}/study.db?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0])
    return 0


def _wait(study: Path, process: subprocess.Popen[bytes], moments: random.Random) -> None:
    """Wait for a random moment: while it starts, or a while after up to three more trials have ended.

    Ten such waits leave most of the trials: a run that is killed has never ended, however slowly this process looks on.
    """
    if moments.random() < 0.2:
        time.sleep(moments.uniform(0, 1.5))
    else:
        wanted, until = _count(study) + moments.randint(0, 3), time.monotonic() + 120
        while _count(study) < wanted and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.2))
    if process.poll() is not None:
        _, said = process.communicate()
        raise AssertionError(f"it ended before it was killed, with {process.returncode}: {said.decode()}")


def _going_on(study: Path) -> str:
    """What a user would call after a kill: `run` where nothing was found yet."""
    return "resume" if _count(study) else "run"


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_a_killed_run_ends_with_the_same_trials(sampler: str, trouble: Path, tmp_path: Path) -> None:
    objectives = "maximize trouble\n  minimize flops"
    whole = write_study(tmp_path / "whole", objectives=objectives, settings=_settings(60, sampler))
    expected = told(search.run(whole))
    study = write_study(tmp_path / "study", objectives=objectives, settings=_settings(60, sampler))
    moments = random.Random(sampler)
    for _ in range(KILLS):
        process = _start(study, trouble, f"{_going_on(study)}(os.environ['STUDY'])")
        _wait(study, process, moments)
        process.kill()
        process.communicate()
    assert told(search.resume(study)) == expected


def test_four_workers_lose_and_double_nothing(trouble: Path, tmp_path: Path) -> None:
    total = 100
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=_settings(total, "random"))
    moments = random.Random(11)
    process = _start(study, trouble, "run(os.environ['STUDY'], workers=4)")
    for kill in range(KILLS):
        _wait(study, process, moments)
        workers = sorted(_children(process.pid))
        # now one that works, now the one that watches
        if kill % 2 and workers:
            os.kill(moments.choice(workers), signal.SIGKILL)
            continue
        process.kill()
        process.communicate()
        process = _start(study, trouble, f"{_going_on(study)}(os.environ['STUDY'], workers=4)")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    found = search.history(study)
    assert [trial.index for trial in found.trials] == list(range(total))
    assert Counter(trial.state for trial in found.trials) == {"done": total}
    # two that drew one spec at the same moment: the second took over what the first found
    evaluated = {trial.hash: trial.index for trial in found.trials if trial.same_as is None}
    assert len(evaluated) == sum(trial.same_as is None for trial in found.trials) >= total - 3
    assert all(trial.same_as == evaluated[trial.hash] for trial in found.trials if trial.same_as is not None)
    storage = open_storage(None, study / "study.db")
    study_id = storage.get_study_id_from_name(plan(StudyFolder(study)).lock.study)
    ledger = Ledger(storage, study_id)
    ledger.sync()
    assert not ledger.open
    ended = Counter(
        ledger.index(frozen.number) for frozen in storage.get_all_trials(study_id) if frozen.state.name == "COMPLETE"
    )
    assert ended == dict.fromkeys(range(total), 1)
    storage.close()


def test_interrupts(trouble: Path, tmp_path: Path) -> None:
    settings = _settings(300, "random").replace("0.05", "1.0")
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=settings)

    def trials(process: subprocess.Popen[bytes], least: int) -> None:
        """Wait until there are some."""
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            if (study / "study.lock").exists() and len(search.history(study).trials) >= least:
                return
            time.sleep(0.2)
        raise AssertionError("nothing happens")

    for call, times in (("run(os.environ['STUDY'])", 1), ("resume(os.environ['STUDY'])", 2)):
        before = len(search.history(study).trials)
        process = _start(study, trouble, call)
        trials(process, before + 2)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said.decode()
        assert said.decode().rstrip().endswith("Interrupted")
        assert len(search.history(study).trials) >= before + 2
    # nothing is left in anybody's hands: the second interrupt gave the running trial back
    storage = open_storage(None, study / "study.db")
    ledger = Ledger(storage, storage.get_study_id_from_name(plan(StudyFolder(study)).lock.study))
    ledger.sync()
    assert [frozen.state.name for frozen in ledger.open.values()] == ["WAITING"]
    storage.close()


def test_a_worker_from_another_shell(trouble: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", objectives="maximize trouble", settings=_settings(30, "tpe"))
    process = _start(study, trouble, "run(os.environ['STUDY'])")
    until = time.monotonic() + 60
    while not (study / "study.lock").exists() or not search.history(study).trials:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    found = search.worker(study)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()
    assert [trial.index for trial in found.trials] == list(range(30))
    assert told(search.history(study)) == told(found)
