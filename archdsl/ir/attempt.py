"""Going on after a failure, so that one run shows several independent errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from archdsl.source.diagnostic import Reported

T = TypeVar("T")


class Attempt:
    """Calls work that may fail after reporting why, and counts the failures."""

    def __init__(self) -> None:
        self.failures = 0

    def __call__(self, work: Callable[[], T]) -> T | None:
        """The result of work, or None after a failure: what does not depend on it goes on."""
        try:
            return work()
        except Reported:
            self.failures += 1
            return None
