"""How much work a text from a stranger may make."""

from __future__ import annotations

from typing import NoReturn

from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.text import Span


class Work:
    """The steps left for the specs of one file: expressions evaluated, blocks and components placed, bases copied."""

    __slots__ = ("_told", "left", "limit")

    def __init__(self, limit: int = limits.STEPS) -> None:
        self.limit = limit
        self.left = limit
        self._told = False

    def spend(self, steps: int, span: Span, report: Report) -> None:
        """Take steps off. When none is left that is reported once, and `Reported` raised from then on."""
        self.left -= steps
        if self.left < 0:
            self.refuse(span, report)

    def part(self, steps: int) -> Work:
        """Some of the steps left, for work that may be left unfinished; `rejoin` gives back what it does not take."""
        steps = max(0, min(steps, self.left))
        self.left -= steps
        return Work(steps)

    def rejoin(self, part: Work) -> None:
        """Take back what a part has left."""
        self.left += max(0, part.left)

    def refuse(self, span: Span, report: Report) -> NoReturn:
        """Report that no step is left, if that was not done, and raise `Reported`."""
        if self._told:
            raise Reported
        self._told = True
        report.fail(
            "limit-exceeded",
            f"the specs of a file may take at most {self.limit:_} steps to resolve",
            span.head(),
            "all of them are used up here",
            help="lets that read each other twice double the work at each level; archs can go to files of their own",
        )
