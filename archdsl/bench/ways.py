"""The ways in which one thing is computed, to be measured beside each other."""

from __future__ import annotations

import itertools
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

Mode = Literal["default", "max-autotune-no-cudagraphs"]
MODES: tuple[Mode, ...] = ("default", "max-autotune-no-cudagraphs")

REFERENCE = "reference"
COMPILED = "reference, compiled"
KERNEL = "kernel"

_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Way:
    """One way. `name` says whose, `mode` how it is compiled, None where it is not.

    `checked`: whether it is compared with the reference before it is measured.
    """

    name: str
    run: Callable[..., Any]
    mode: Mode | None = None
    checked: bool = False

    @property
    def key(self) -> str:
        """What tells it from the other ways."""
        return f"{self.name} ({self.mode})" if self.mode else self.name


@dataclass(frozen=True, slots=True)
class Absent:
    """A way that cannot be measured here, and why."""

    name: str
    reason: str


def compiled(name: str, run: Callable[..., Any], mode: Mode, *, backend: str = "inductor") -> Way:
    """A function or module compiled as one graph, for the shapes that it is first called with."""
    return Way(name, torch.compile(_apart(run), fullgraph=True, dynamic=False, **_how(mode, backend)), mode)


def _how(mode: Mode, backend: str) -> dict[str, str]:
    # only inductor has modes
    return {"mode": mode} if backend == "inductor" else {"backend": backend}


def _apart(run: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls another, with code of its own: torch keeps by code what it has compiled, and how often."""

    def called(*arguments: Any) -> Any:
        return run(*arguments)

    code = called.__code__.replace(co_name=f"called_{next(_NUMBERS)}")
    return types.FunctionType(code, called.__globals__, code.co_name, None, called.__closure__)


def warmed(run: Callable[[], object], device: torch.device) -> float:
    """Run something once, and return the seconds that it took: those of compiling, where it is compiled."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        # what inductor imports is told to be deprecated
        warnings.simplefilter("ignore")
        run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
