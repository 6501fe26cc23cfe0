"""Spec texts in and out: parsed without being resolved, written at once or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from archdsl.cli.console import CallError
from archdsl.source.diagnostic import Report, Reported

if TYPE_CHECKING:
    from archdsl.lang.ast import File, FileItem
    from archdsl.source.text import Source

Form: TypeAlias = Literal["arch", "yaml"]

STDIN = "<stdin>"


def form_of(path: str) -> Form | None:
    """The form of the language that a path ends in."""
    suffix = Path(path).suffix
    return "arch" if suffix == ".arch" else "yaml" if suffix in (".yaml", ".yml") else None


def read(path: str, report: Report) -> Source | None:
    """The text of a file, or of stdin for `-`; None where it was reported to be unreadable."""
    from archdsl.source import files
    from archdsl.source.limits import FILE_BYTES

    try:
        if path != "-":
            return files.read_source(path, report)
        stream = getattr(sys.stdin, "buffer", None)
        data = stream.read(FILE_BYTES + 1) if stream else sys.stdin.read(FILE_BYTES + 1).encode()
        return files.source_from_bytes(STDIN, data, report)
    except Reported:
        return None


def parse(source: Source, form: Form, report: Report) -> File | None:
    """The syntax tree of a text; None where it was reported to be wrong."""
    try:
        if form == "yaml":
            from archdsl.lang.yaml_twin import parse_yaml

            return parse_yaml(source, report)
        from archdsl.lang.parse import parse_file

        return parse_file(source, report)
    except Reported:
        return None


def models(path: str) -> list[str]:
    """Each arch and space that a path stands for, as it is named in a call. A file with errors is named as a whole."""
    form = form_of(path)
    if path.startswith("@") or form is None or not Path(path).is_file():
        return [path]
    from archdsl.lang.ast import Arch, Space

    report = Report()
    source = read(path, report)
    file = parse(source, form, report) if source else None
    names = [item.name.id for item in file.items if isinstance(item, Arch | Space)] if file else []
    if report.error_count:
        return [path]
    return [f"{path}:{name}" for name in names] if len(names) > 1 else [path] * len(names)


def reread(text: str, form: Form, file: File) -> File:
    """The syntax tree of a text that archdsl made of `file`; raises where the two differ, before anything is written."""
    from archdsl.source.text import Source

    report = Report()
    again = parse(Source("result", text), form, report)
    if again is None or report.errors or _unordered(again) != _unordered(file):
        raise AssertionError(f"the text that was written does not say the same:\n{text}")
    return again


def _unordered(file: File) -> tuple[list[FileItem], list[FileItem]]:
    """The imports of a file, whose order means nothing and which `fmt` sorts, and its other items as they stand."""
    from archdsl.lang.ast import Import

    imports: list[FileItem] = [item for item in file.items if isinstance(item, Import)]
    return sorted(imports, key=repr), [item for item in file.items if not isinstance(item, Import)]


def write(path: str, text: str) -> None:
    """Replace or make a file, at once. A link stays a link, the permissions stay as they were."""
    draft = None
    try:
        target = Path(path).resolve()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".archdsl-")
        draft = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        draft.chmod(_mode(target))
        draft.replace(target)
    except OSError as error:
        if draft:
            draft.unlink(missing_ok=True)
        raise CallError(f"`{path}` cannot be written: {(error.strerror or str(error)).lower()}") from error


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        # what a new file gets can only be asked for by setting it
        mask = os.umask(0o022)
        os.umask(mask)
        return 0o666 & ~mask
