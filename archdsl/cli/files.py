"""Which files a call means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from archdsl.cli.console import CallError
from archdsl.source.limits import FOLDER_ENTRIES


def spec_files(paths: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
    """The paths, where a folder stands for the specs in it and below it.

    What begins with a point is left out, and so are links that lead out of the folder.

    Raises
    ------
    CallError: a path is empty, or a folder holds no spec, cannot be read, or is beyond the limit.
    """
    found: list[str] = []
    for path in paths:
        if not path.strip():
            raise CallError("a path is empty", "name a file or a folder; `.` is the current one")
        if path.startswith("@") or not Path(path).is_dir():
            found.append(path)
            continue
        root = os.path.realpath(path)
        near = (file for file in _walk(path, suffixes) if file.is_file() and Path(os.path.realpath(file)).is_relative_to(root))
        inside = sorted(file.as_posix() for file in near)
        if not inside:
            raise CallError(f"there is no spec in `{path}`", f"a spec ends in {' or '.join(suffixes)}")
        found.extend(inside)
    return found


def _walk(folder: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """What has one of the suffixes below a folder and is not hidden. Links to folders are not followed."""

    def fail(error: OSError) -> None:
        # what is gone by now held nothing
        if not isinstance(error, FileNotFoundError):
            reason = (error.strerror or "unknown reason").lower()
            raise CallError(f"`{error.filename}` cannot be read: {reason}", "name the folders of the specs, or the specs")

    count = 0
    for here, folders, files in os.walk(folder, onerror=fail):
        count += len(folders) + len(files)
        if count > FOLDER_ENTRIES:
            raise CallError(
                f"`{folder}` holds more than {FOLDER_ENTRIES:_} files and folders",
                "name the folders of the specs, or the specs",
            )
        folders[:] = [name for name in folders if not name.startswith(".")]
        # key maps lie beside the specs they are for
        shown = (name for name in files if not name.startswith(".") and not name.endswith(".keys.yaml"))
        yield from (Path(here, name) for name in shown if name.endswith(suffixes))
