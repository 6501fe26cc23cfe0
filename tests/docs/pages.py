"""The documents of the project, and what stands in them: fenced blocks, links, command lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# made, not written
_MADE = {".venv", "build", "dist", "node_modules"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`([\w.@-]+(?:/[\w.<>*-]*)+)`")
_COMMAND = re.compile(r"`(archdsl [^`]*)`")


class Block(NamedTuple):
    """A fenced block. `mark` is the HTML comment on the line above."""

    page: str
    line: int
    kind: str
    text: str
    mark: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All documents."""
    found = (path for path in ROOT.rglob("*.md") if not _MADE & set(path.relative_to(ROOT).parts))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        above = text[: match.start()].rstrip("\n").rpartition("\n")[2]
        mark = above if above.startswith("<!--") else ""
        yield Block(shown(page), text.count("\n", 0, match.start()) + 1, match[1], match[2], mark)


def links(page: Path) -> set[Path]:
    """Where the relative links of a page lead, fragments and blocks aside."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = (target.partition("#")[0] for target in _LINK.findall(text) if "://" not in target)
    return {(page.parent / target).resolve() for target in targets if target}


def paths(page: Path) -> set[str]:
    """The paths that the text of a page names; those with a place to fill in aside."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {path for path in _PATH.findall(text) if not set("<>*") & set(path)}


def commands(page: Path) -> Iterator[str]:
    """The command lines of archdsl in a page: in console and shell blocks, and quoted in the text."""
    for block in blocks(page):
        if block.kind in ("console", "sh"):
            for line in block.text.splitlines():
                said = line.removeprefix("$ ")
                if said.startswith("archdsl ") and (block.kind == "sh" or line.startswith("$ ")):
                    yield " ".join(shlex.split(said, comments=True))
    yield from _COMMAND.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
