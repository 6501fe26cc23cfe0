"""Several files in one text: `-- name --` starts a file. What stands before the first is a comment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_MARK = re.compile(r"^-- (\S(?:.*\S)?) --$")


@dataclass(frozen=True, slots=True)
class Archive:
    """A comment and files by name, in the order written."""

    comment: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def with_files(self, files: Mapping[str, str]) -> Archive:
        """With files replaced or put at the end."""
        return Archive(self.comment, {**self.files, **files})


def parse(text: str) -> Archive:
    """Read an archive. Raises `ValueError` for a name that is there twice."""
    comment: list[str] = []
    files: dict[str, list[str]] = {}
    current = comment
    for line in text.splitlines(keepends=True):
        if mark := _MARK.match(line.rstrip("\n")):
            if mark[1] in files:
                raise ValueError(f"`{mark[1]}` is there twice")
            current = files[mark[1]] = []
        else:
            current.append(line)
    return Archive("".join(comment), {name: "".join(lines) for name, lines in files.items()})


def write(archive: Archive) -> str:
    """The archive as text. Raises `ValueError` for a text that has a mark in it, or no line break at its end."""
    blocks = [archive.comment]
    for name, text in archive.files.items():
        if text and not text.endswith("\n"):
            raise ValueError(f"`{name}` does not end in a line break")
        if any(_MARK.match(line) for line in text.splitlines()):
            raise ValueError(f"`{name}` has a mark in it")
        blocks.append(f"-- {name} --\n{text}")
    return "".join(blocks)
