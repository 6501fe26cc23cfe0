"""Small studies to run in tests, and an objective of another package that misbehaves when it is told to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.ir import objectives
from archdsl.search import evaluator
from archdsl.search.evaluate import Pruned, evaluate
from archdsl.search.objectives import registry
from archdsl.search.trials import History

SPACE = """\
arch base {
  input = 3x16x16
  classes = 10
  layout { residual layernorm -> token residual layernorm -> channel }
  default { channel = mlp(ratio = 2) down = conv(2x2, stride = 2) }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 1, token = attention(heads = 2) }
  stage s2 { dim = 32, depth = 1, token = attention(heads = 2) }
  head = mean -> linear(classes)
}

space tiny over base {
  stage s1 { depth = 1..3, token = attention(heads = 1 | 2 | 4) }
  stage s2 { depth = 1..4, token = attention(heads = 2 | 4), channel = mlp(ratio = 1 | 2 | 3) }
  budget params <= 50K
  OBJECTIVES
}
"""
# 216 points, 24 of which are over the budget
FEASIBLE = 192

_PACKAGE = '''\
import os, time
from dataclasses import dataclass
from archdsl.search.objectives.objective import Objective, Unmeasured, setting


@dataclass(frozen=True, kw_only=True)
class Trouble(Objective):
    """A number made of the hash of a spec, with trouble on some."""

    name = "trouble"
    direction = "maximize"
    unit = "1"
    source = "a test"
    cost = "nothing"
    stepwise = True

    mode: str = setting("none", doc="what goes wrong")
    every: int = setting(1, doc="with one spec of so many", ge=1)
    seconds: float = setting(0.0, doc="to sleep", ge=0.0)
    steps: int = setting(0, doc="values on the way", ge=0)

    def measure(self, candidate, step):
        number = int(candidate.spec.hash[:8], 16)
        value = number / 2**32
        time.sleep(self.seconds)
        for at in range(self.steps):
            try:
                step(at, float("nan") if self.mode == "nan on the way" and not number % self.every else value)
            except Exception:
                raise AssertionError("an objective can take a pruning for an error of its own")
        if number % self.every:
            return value
        if self.mode == "raise":
            raise ValueError("there are no data")
        if self.mode == "unmeasured":
            raise Unmeasured("it has no gradients")
        if self.mode == "exit":
            raise SystemExit(3)
        if self.mode == "hang":
            time.sleep(1000)
        if self.mode == "orphan" and os.fork() == 0:
            # it holds what it was given, long after its parent is dead
            time.sleep(120)
            os._exit(0)
        if self.mode in ("crash", "orphan"):
            os.kill(os.getpid(), 9)
        if self.mode == "print":
            print("noise" * 1000)
        return {"nan": float("nan"), "inf": float("inf")}.get(self.mode, value)
'''


def write_package(folder: Path) -> Path:
    """The package of the objective `trouble`, as it would be installed."""
    about = folder / "trouble-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "trouble.py").write_text(_PACKAGE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: trouble\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[archdsl.objectives]\ntrouble = trouble:Trouble\n")
    return folder


def write_study(
    folder: Path, *, objectives: str = "maximize params\n  minimize flops", budget: str = "50K", settings: str = ""
) -> Path:
    """The folder of a study of the tiny space."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "space.arch").write_text(SPACE.replace("OBJECTIVES", objectives).replace("50K", budget))
    if settings:
        (folder / "study.yaml").write_text(settings)
    return folder


class Quick:
    """In place of an evaluation: the numbers are those of the closed form, or else the hash's, and nothing is built."""

    def __init__(self, order: Mapping[str, Any], time_limit: float | None, *, idle: Callable[[], None]) -> None:
        self._names = [name for name, _ in order["objectives"]]

    def evaluate(self, job: Mapping[str, Any], step: evaluator.Step) -> dict[str, Any]:
        spec = archdsl.loads(job["text"])
        assert spec.hash == job["hash"]
        values = [getattr(spec, name, int(spec.hash[:8], 16)) for name in self._names]
        return {"state": "done", "values": values, "seconds": {"build": 0.0}, "error": None, "bug": None}

    def close(self) -> None:
        """Nothing was started."""


class Inside:
    """Evaluates in this process, which spares the start of another one."""

    def __init__(self, order: Mapping[str, Any], time_limit: float | None, *, idle: Callable[[], None] = lambda: None) -> None:
        self._order = order
        self._objectives = [registry.make(name, settings) for name, settings in order["objectives"]]

    def evaluate(self, job: Mapping[str, Any], step: evaluator.Step = lambda number, value: True) -> dict[str, Any]:
        def told(number: int, value: float) -> None:
            if not step(number, value):
                raise Pruned

        seed, device = self._order["seed"], self._order["device"]
        pruning = {"step": told} if self._order["pruning"] else {}
        found = evaluate(job["text"], job["hash"], job["budgets"], self._objectives, seed=seed, device=device, **pruning)
        return asdict(found)

    def close(self) -> None:
        """Nothing was started."""


def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the objectives of a package known to this process, and to those that it starts."""
    monkeypatch.syspath_prepend(package)
    forget()


def forget() -> None:
    """What is known of installed objectives is looked up anew."""
    for cache in (objectives.brought, registry._load):
        cache.cache_clear()
    sys.modules.pop("trouble", None)


def told(history: History) -> list[tuple[object, ...]]:
    """What has to be equal in two runs of one study."""
    return [
        (trial.index, trial.state, tuple(trial.point.items()), tuple(trial.values.items()), trial.hash, trial.same_as)
        for trial in history.trials
    ]
