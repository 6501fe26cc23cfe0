"""What a running study tells, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from archdsl.search.trials import Trial


@dataclass(frozen=True, slots=True)
class Started:
    """A study begins or goes on: `done` of `total` trials are finished. `notes` are facts a reader may want to know."""

    name: str
    total: int
    done: int
    objectives: tuple[tuple[str, str], ...]
    sampler: str
    seed: int
    workers: int
    storage: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """This worker begins a trial."""

    index: int
    hash: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial of any worker has finished; of each index once."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be done for now, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """An interrupt was taken: the running trials are finished, then the study stops."""


Reason = Literal["complete", "exhausted", "interrupted"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """The study ends: all trials are done, no spec is left that was not seen, or it was interrupted."""

    reason: Reason
    done: int
    total: int
    text: str = ""


Event: TypeAlias = Started | Running | Finished | Waiting | Stopping | Stopped
Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Nobody listens."""
