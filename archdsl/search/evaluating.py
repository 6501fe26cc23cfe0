"""The process that evaluates specs for a worker: it reads jobs as lines of JSON, and answers in lines of JSON.

It may be killed at any time. It ends with its worker.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from archdsl.search.evaluate import Evaluation, Pruned, evaluate


class _Line:
    """The two directions of talk, on handles that nothing else prints to."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._in = os.fdopen(os.dup(0), encoding="utf-8")
        # what an objective prints is no answer, and what it asks for is not there
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        self._jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._in:
            self._jobs.put(json.loads(line))
        # nobody wants the answer any more, nor what was started for it
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    def next(self) -> dict[str, Any]:
        """What was said next; waits for it."""
        return self._jobs.get()

    def say(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()


def main() -> None:
    """Answer until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = _Line()
    order = line.next()
    import torch

    from archdsl.search.objectives.registry import make

    if order["threads"]:
        torch.set_num_threads(order["threads"])
    objectives = [make(name, settings) for name, settings in order["objectives"]]
    # importing these takes a second, which is not the first spec's to pay
    import archdsl.budget.compare
    import archdsl.budget.fvcore_count
    import archdsl.lowering.module  # noqa: F401

    line.say({"ready": os.getpid()})

    def step(number: int, value: float) -> None:
        line.say({"step": int(number), "value": float(value)})
        if not line.next()["go"]:
            raise Pruned

    def ignored(number: int, value: float) -> None:
        pass

    while True:
        job = line.next()
        found: Evaluation = evaluate(
            job["text"],
            job["hash"],
            job["budgets"],
            objectives,
            seed=order["seed"],
            device=order["device"],
            step=step if order["pruning"] else ignored,
        )
        line.say({"result": asdict(found)})
        sys.stdout.flush()
