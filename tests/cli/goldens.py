"""A golden is a call of the command line with all it reads and prints, as one text."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from archdsl.cli.main import main
from archdsl.schema import registry
from archdsl.testing import txtar

FOLDER = Path(__file__).parents[1] / "golden" / "errors"
GIVEN = ("command", "stdout", "stderr", "exit")


def paths() -> list[Path]:
    """The goldens of the errors."""
    return sorted(FOLDER.glob("*.txtar"))


def play(archive: txtar.Archive, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Make the call of a golden in `folder`: what it printed, and the exit code."""
    for name, text in archive.files.items():
        if name not in GIVEN:
            _lay(folder, name, text)
    program, *words = shlex.split(archive.files["command"])
    assert program == "archdsl"
    monkeypatch.chdir(folder)
    stdout, stderr = io.StringIO(), io.StringIO()
    with _installed(folder / "site"), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main(words)
    return {"stdout": stdout.getvalue(), "stderr": stderr.getvalue(), "exit": f"{code}\n"}


@contextlib.contextmanager
def _installed(site: Path) -> Iterator[None]:
    """The packages of a folder, if it is there, as if they were installed."""
    if not site.is_dir():
        yield
        return
    sys.path.insert(0, str(site))
    registry._plugins.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        registry._plugins.cache_clear()


def _lay(folder: Path, name: str, text: str) -> None:
    """Put a file down. `NAME (escaped)` has bytes as in Python, `NAME (100 times)` is repeated, `NAME (folder)` is none."""
    path, _, how = name.partition(" (")
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if how == "folder)":
        file.mkdir()
    elif how == "escaped)":
        file.write_bytes(text.removesuffix("\n").encode().decode("unicode_escape").encode("latin-1"))
    elif how:
        file.write_text(text * int(how.removesuffix(" times)")))
    else:
        file.write_text(text)


def rewriting(config: pytest.Config) -> bool:
    """Whether goldens are written anew instead of compared."""
    return os.environ.get("ARCHDSL_GOLDEN") == "write" or bool(config.getoption("--golden", default=False))


def rewrite(path: Path, archive: txtar.Archive, printed: Mapping[str, str]) -> None:
    """Put what was printed into a golden."""
    text = txtar.write(archive.with_files(printed))
    if text != path.read_text():
        path.write_text(text)
