"""What can be said about a place in a text: a rule broken, why, and how to repair it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, NoReturn

from archdsl.source.limits import TOLD
from archdsl.source.record import dataclass
from archdsl.source.text import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Note:
    """Where another value came from, or a fact that has no place of its own."""

    message: str
    span: Span | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """A replacement of text. `safe` when it surely says what the author meant."""

    span: Span
    text: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing said about a text.

    `message` states the rule that is broken, `label` the fact at the place, each note where another value came
    from, `help` the repair. `slug` names the kind; it is the title of a page in `docs/errors/` and never changes meaning.
    """

    slug: str
    message: str
    span: Span | None = None
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: str = ""
    fix: Fix | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        """As the command line shows it, the place in the text included."""
        from archdsl.source.render import render

        return render((self,), summary=False)


class SpecError(Exception):
    """A spec that cannot be used. Its text is the rendered diagnostics; `.diagnostics` has them as values."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from archdsl.source.render import render

        return render(self.diagnostics)

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Diagnostic, ...]]]:
        return SpecError, (self.diagnostics,)


class Reported(Exception):
    """Raised after a diagnostic was handed to a `Report`: what depended on it is left out silently."""


class Report:
    """Collects diagnostics while work goes on, so that one run shows several independent errors."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, object, int, int], Diagnostic] = {}
        self._kept: dict[Severity, int] = {"error": 0, "warning": 0}
        # places whose fault an error was: what they make wrong elsewhere needs no other
        self.blamed: set[Span] = set()
        self._left_out: dict[Severity, int] = {"error": 0, "warning": 0}

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic; the same slug at the same place is kept once, and of many only the first."""
        span, severity = diagnostic.span, diagnostic.severity
        where = (id(span.source), span.start, span.end) if span else (diagnostic.message, 0, 0)
        key = (diagnostic.slug, *where)
        if key in self._found:
            return
        if self._kept[severity] >= TOLD:
            self._left_out[severity] += 1
            return
        self._kept[severity] += 1
        self._found[key] = diagnostic

    def fail(
        self,
        slug: str,
        message: str,
        span: Span | None = None,
        label: str = "",
        *,
        notes: Iterable[Note] = (),
        help: str = "",
        fix: Fix | None = None,
    ) -> NoReturn:
        """Add an error and raise `Reported`."""
        self.add(Diagnostic(slug, message, span, label, tuple(notes), help, fix))
        raise Reported

    def error(
        self,
        slug: str,
        message: str,
        span: Span | None = None,
        label: str = "",
        *,
        notes: Iterable[Note] = (),
        help: str = "",
        fix: Fix | None = None,
    ) -> None:
        """Add an error and go on."""
        self.add(Diagnostic(slug, message, span, label, tuple(notes), help, fix))

    def warn(
        self,
        slug: str,
        message: str,
        span: Span | None = None,
        label: str = "",
        *,
        notes: Iterable[Note] = (),
        help: str = "",
        fix: Fix | None = None,
    ) -> None:
        """Add a warning and go on."""
        self.add(Diagnostic(slug, message, span, label, tuple(notes), help, fix, "warning"))

    def take(self, other: Report) -> None:
        """Add all that another report was told, which then counts here."""
        for diagnostic in other._found.values():
            self.add(diagnostic)
        for severity, count in other._left_out.items():
            self._left_out[severity] += count
        self.blamed |= other.blamed

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Go on after work that was reported to have failed."""
        try:
            yield
        except Reported:
            return

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All of them: by source in the order met, then by place."""
        order: dict[int, int] = {}
        for found in self._found.values():
            if found.span:
                order.setdefault(id(found.span.source), len(order))

        def place(found: Diagnostic) -> tuple[int, int]:
            return (order[id(found.span.source)], found.span.start) if found.span else (-1, 0)

        kinds: tuple[Severity, ...] = ("error", "warning")
        more = [
            Diagnostic("limit-exceeded", f"{TOLD} {kind}s are told in one run, {count:_} more were found", severity=kind)
            for kind in kinds
            if (count := self._left_out[kind])
        ]
        return (*sorted(self._found.values(), key=place), *more)

    @property
    def error_count(self) -> int:
        """How many errors were found, those left out included."""
        return self._kept["error"] + self._left_out["error"]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    def raise_errors(self) -> None:
        """Raise `SpecError` with everything found, if there is an error among it."""
        if self.error_count:
            raise SpecError(self.diagnostics)
