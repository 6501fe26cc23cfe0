"""How something is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from archdsl.bench.timing import Duration
from archdsl.bench.ways import MODES, Mode


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and for how long, in which number format.

    `modes` are those that the reference is compiled in, of which the faster one counts; none: it is not compiled. `backend` is
    what compiles. `step` is told what is being done.
    """

    device: torch.device
    dtype: torch.dtype
    batch: int
    duration: Duration
    seed: int = 0
    modes: tuple[Mode, ...] = MODES
    backend: str = "inductor"
    step: Callable[[str], None] = lambda text: None


def number_format(name: str) -> torch.dtype:
    """The number format of a name, such as `bfloat16`."""
    found = getattr(torch, name)
    assert isinstance(found, torch.dtype)
    return found
