"""A study begun from a space elsewhere: a folder of its own with the space, the files that it imports, and the settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.api import Spec
from archdsl.search.folder import SPACES, StudyFolder
from archdsl.search.measured import in_full
from archdsl.search.problems import edited_since, not_a_study
from archdsl.search.settings import Settings
from archdsl.search.yaml_values import scalar
from archdsl.source.diagnostic import Report
from archdsl.source.files import read_source

if TYPE_CHECKING:
    from archdsl.ir.library import LoadedFile
    from archdsl.source.text import Span


def copied(source: StudyFolder, space: Spec, target: Path) -> StudyFolder:
    """The study in the folder `target` of the space of another one: its files are written there, unless they are there.

    What it found stays where it is.

    Raises
    ------
    SpecError: `not-a-study` where the folder holds something else by the name of such a file, or two files would get one name;
        `study-changed` where the file of a space was edited since its study was begun; `unwritable-study`.
    """
    folder = StudyFolder(target)
    texts: dict[Path, str] = {}
    for path, text in _texts(source, space, target):
        if texts.setdefault(path, text) != text:
            name = path.relative_to(target).as_posix()
            reason = f"the space imports a file that is called `{name}`, as the copy of the space would be"
            raise not_a_study(target, reason, "rename that file, or put the space into a `space.arch` of a folder")
    for path, text in texts.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == text.encode()):
            if source.file is not None and target == source.path:
                if _is_space_of(folder, space):
                    # comments and layout are no change
                    return folder
                raise edited_since(source.file, target, path.relative_to(target))
            reason = f"its `{path.relative_to(target).as_posix()}` is another than that of `{source.name}`"
            raise not_a_study(target, reason, "name a folder that is empty or not there yet, or leave `--output` out")
    for path, text in texts.items():
        if not path.exists():
            folder.write(path, text)
    return folder


def _is_space_of(folder: StudyFolder, space: Spec) -> bool:
    """Whether the copy of a space that a folder has means the same as the space now."""
    from archdsl.search.lock import space_hash
    from archdsl.search.study import load_space
    from archdsl.source.diagnostic import SpecError

    try:
        return space_hash(load_space(folder)) == space_hash(space)
    except SpecError:
        return False


def _texts(source: StudyFolder, space: Spec, target: Path) -> Iterator[tuple[Path, str]]:
    """The files of a study by the path that they get."""
    first = space.model.files[space.model.span.source]
    assert first.path is not None
    root = Path(os.path.realpath(first.path)).parent
    for loaded in _reached(first):
        # packaged specs are imported by name from anywhere
        if loaded is first or loaded.path is None or loaded.file.source.name.startswith("@"):
            continue
        real = Path(os.path.realpath(loaded.path))
        if not real.is_relative_to(root):
            raise not_a_study(target, f"the space imports `{real.as_posix()}`", "bring that file into the folder of the space")
        yield target / real.relative_to(root), loaded.file.source.text
    yield target / SPACES[first.path.suffix != ".arch"], first.file.source.text
    if source.settings.is_file() and not (target.exists() and target.samefile(source.path)):
        yield target / source.settings.name, _settings(source, space, target)


def _settings(source: StudyFolder, space: Spec, target: Path) -> str:
    """The text of the settings, with paths of objectives that mean the same seen from the folder `target`."""
    assert space.space is not None
    settings = Settings.read(source.settings, objectives=tuple(objective.name for objective in space.space.objectives))
    seen = in_full(settings, source.path)
    changed: list[tuple[Span, str]] = []
    for name, given in settings.objectives.items():
        for key, value in given.items():
            full = seen.objectives[name][key]
            if full != value:
                assert isinstance(full, str)
                changed.append((settings.places[f"{name}.{key}"], _from(target, full)))
    text = read_source(source.settings.as_posix(), Report()).text
    for span, path in sorted(changed, key=lambda change: change[0].start, reverse=True):
        # the place of a text is between its quotes
        quoted = text[span.start - 1] in "'\"" and text[span.end : span.end + 1] == text[span.start - 1]
        text = f"{text[: span.start - quoted]}{scalar(path)}{text[span.end + quoted :]}"
    return text


def _from(folder: Path, path: str) -> str:
    """A path in full, or from a folder that it is in."""
    # links stay as they were written
    here = Path(os.path.abspath(folder))  # noqa: PTH100
    return f"./{Path(path).relative_to(here).as_posix()}" if Path(path).is_relative_to(here) else path


def _reached(first: LoadedFile) -> list[LoadedFile]:
    """A file, and those that it imports."""
    found, waiting = [first], [first]
    while waiting:
        for loaded, _ in waiting.pop().imports.values():
            if all(loaded is not other for other in found):
                found.append(loaded)
                waiting.append(loaded)
    return found
