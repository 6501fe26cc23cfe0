"""Going on after a failure, so that one run shows several independent errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from archdsl.source.diagnostic import Report, Reported
from archdsl.source.limits import ARCH_ERRORS
from archdsl.source.text import Span

T = TypeVar("T")


class Attempt:
    """Calls work that may fail after reporting why, and counts the failures.

    When much was found in one arch (`what`, at `span`) the rest is left aside: that is said, and `Reported` raised.
    """

    def __init__(self, what: str, span: Span, report: Report) -> None:
        self.failures = 0
        self._what = what
        self._span = span
        self._report = report
        self._most = report.error_count + ARCH_ERRORS

    def __call__(self, work: Callable[[], T]) -> T | None:
        """The result of work, or None after a failure: what does not depend on it goes on."""
        try:
            return work()
        except Reported:
            self.failures += 1
        if self._report.error_count >= self._most:
            message = f"after {ARCH_ERRORS} errors the rest of {self._what} is left aside"
            self._report.fail("limit-exceeded", message, self._span, "not all of it was looked at")
        return None
