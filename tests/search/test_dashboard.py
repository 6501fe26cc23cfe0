"""optuna-dashboard, a package of others, opens the storage of a study."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from archdsl.search import run
from tests.search.studies import write_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("optuna_dashboard") is None,
        reason="optuna-dashboard is not installed: pip install optuna-dashboard",
    ),
]

# how long it may take to start
_PATIENCE = 60.0


def asked(process: subprocess.Popen[str], url: str) -> Any:
    """The answer of a server that is about to start."""
    begun = time.monotonic()
    while True:
        try:
            # not through a proxy: it is on this machine
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() - begun < _PATIENCE
            time.sleep(0.1)


def test_the_storage_of_a_study_is_opened(inside: None, tmp_path: Path) -> None:
    study = write_study(tmp_path / "tiny")
    history = run(study, trials=5)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    call = [sys.executable, "-c", "from optuna_dashboard._cli import main; main()", f"sqlite:///{study.as_posix()}/study.db"]
    process = subprocess.Popen(
        [*call, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        (summary,) = asked(process, f"http://127.0.0.1:{port}/api/studies")["study_summaries"]
        assert (summary["study_name"], summary["directions"]) == (history.study, ["maximize", "minimize"])
        found = asked(process, f"http://127.0.0.1:{port}/api/studies/{summary['study_id']}")
    finally:
        process.kill()
        process.communicate()
    assert [trial["state"] for trial in found["trials"]] == ["Complete"] * 5
    for shown, trial in zip(found["trials"], history.trials, strict=True):
        assert dict(zip(("params", "flops"), map(float, shown["values"]), strict=True)) == trial.values
        params = {entry["name"]: entry["param_external_value"] for entry in shown["params"]}
        assert {path: params[path] for path in trial.point} == dict(trial.point)
