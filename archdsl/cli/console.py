"""Where a verb writes: results on one stream, everything else on the other, colour and width as the terminal has them."""

from __future__ import annotations

import errno
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

from archdsl.source.record import dataclass, field

if TYPE_CHECKING:
    from archdsl.cli.progress import Progress
    from archdsl.source.diagnostic import Diagnostic
    from archdsl.source.render import Format

DONE = 0
INPUT_AT_FAULT = 1
CALL_AT_FAULT = 2
BUG = 3
INTERRUPTED = 130

Color = Literal["auto", "always", "never"]
_WIDTH_OF_A_PIPE = 100


class CallError(Exception):
    """The call is at fault, not a spec: an unknown verb, a file that cannot be written. Ends with exit code 2."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message, self.help = message, help


class OutputError(Exception):
    """A stream cannot be written, as on a full disk. Ends with exit code 2."""


class Closed(io.TextIOBase):
    """The stream of a run that was started without one."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.EBADF, "the stream is closed")


@dataclass(slots=True)
class Console:
    """The two streams of a run. `form` is the format of diagnostics; under `json` and `github` they are the result.
    With `lines` a JSON document is one line.

    `command` is the call as it was made.
    """

    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    color: Color = "auto"
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    form: Format = "full"
    lines: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    command: tuple[str, ...] = ()
    began: float = field(default_factory=time.monotonic)

    def out(self, text: str) -> None:
        """A result: on stdout, as whole lines."""
        if text:
            _write(self.stdout, text if text.endswith("\n") else text + "\n")

    def text(self, text: str) -> None:
        """The text of a spec: on stdout as it is, in UTF-8 whatever the terminal says."""
        if buffer := getattr(self.stdout, "buffer", None):
            with _told():
                self.stdout.flush()
                buffer.write(text.encode("utf-8", "surrogateescape"))
                buffer.flush()
        else:
            _write(self.stdout, text)

    def flush(self) -> None:
        """Write what was kept back of the result."""
        with _told():
            self.stdout.flush()

    def json(self, document: Any) -> None:
        """The one JSON document of a run."""
        import json

        self.out(json.dumps(document, indent=None if self.lines else 2))

    def say(self, text: str) -> None:
        """What a reader may like to know: on stderr, not under `-q`."""
        if not self.quiet:
            _write(self.stderr, f"{text}\n")

    def reason(self, text: str) -> None:
        """What only a curious reader wants: on stderr, under `-v`."""
        if self.verbose:
            _write(self.stderr, f"{text}\n")

    def fail(self, message: str, help: str = "") -> None:
        """An error that has no place in a spec."""
        from archdsl.source.cells import safe
        from archdsl.source.render import paint

        color = self.colored(self.stderr)
        _write(self.stderr, f"{paint('error', 'error', color)}: {safe(message)}\n")
        if help:
            _write(self.stderr, f"{paint('help', 'help', color)}: {safe(help)}\n")

    def diagnostics(self, found: Iterable[Diagnostic]) -> None:
        """Diagnostics in the format asked for; under `-q` errors only."""
        from archdsl.source.render import render

        chosen = [d for d in found if d.severity == "error" or not self.quiet]
        if self.form in ("json", "github"):
            text = render(chosen, format=self.form)
            self.out(" ".join(line.strip() for line in text.splitlines()) if self.lines else text)
        elif chosen:
            text = render(chosen, format=self.form, color=self.colored(self.stderr), width=self.width)
            _write(self.stderr, f"{text}{self.elapsed() * (self.form == 'full')}\n")

    def progress(self) -> Progress:
        """A line that says what is being done; a context manager."""
        from archdsl.cli.progress import Progress

        shown = self.stderr.isatty() and not self.quiet and self.form == "full"
        return Progress(self.stderr if shown else None, self.width, self.reason, self.say)

    def elapsed(self) -> str:
        """` (41 ms)` or ` (41 s)` on a terminal. Nothing in a pipe, so that the same run prints the same text."""
        spent = time.monotonic() - self.began
        told = f"{spent * 1000:.0f} ms" if spent < 10 else f"{spent:.0f} s"
        return f" ({told})" if self.stderr.isatty() else ""

    def colored(self, stream: TextIO) -> bool:
        """Whether a stream gets colour: the flag beats the environment, the environment beats the terminal."""
        if self.color != "auto":
            return self.color == "always"
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Cells of a line: of the terminal that stderr or stdout is, else 100."""
        if not (self.stderr.isatty() or self.stdout.isatty()):
            return _WIDTH_OF_A_PIPE
        import shutil

        return max(40, shutil.get_terminal_size((_WIDTH_OF_A_PIPE, 24)).columns)

    @property
    def unicode(self) -> bool:
        """Whether stdout can show more than ASCII."""
        return (getattr(self.stdout, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


@contextmanager
def _told() -> Iterator[None]:
    """What keeps a stream from being written, as an error of its own; a reader that has seen enough is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write: {(error.strerror or str(error)).lower()}") from error


def _write(stream: TextIO, text: str) -> None:
    with _told():
        stream.write(text)
