"""Which study a call means: a folder, the file of a space, or a packaged study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.cli.console import CallError
from archdsl.source.record import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from archdsl.api import Spec

# what a study may call the file of its space
SPACES = ("space.arch", "space.yaml", "space.yml")


@dataclass(frozen=True, slots=True)
class Study:
    """What STUDY stands for: the space as `archdsl.load` takes it, and the folder that it lies in, if that is a study."""

    space: str
    folder: Path | None
    packaged: bool = False


def add_study(parser: ArgumentParser) -> None:
    """The study."""
    parser.add_argument("study", metavar="STUDY", help="a folder with space.arch, the file of a space, or @NAME as packaged")


def study_of(given: str) -> Study:
    """The study that a call names."""
    from archdsl.cli import catalog
    from archdsl.source.suggest import did_you_mean

    if not given.strip():
        raise CallError("STUDY is empty", "name a folder that holds `space.arch`; `.` is the current one")
    if given.startswith("@"):
        known = catalog.studies()
        if given not in known:
            raise CallError(
                f"there is no packaged study `{given}`", did_you_mean(given, known) or "`archdsl list studies` shows them"
            )
        folder = catalog.study_folder(given)
        return Study(_space_in(folder), folder, packaged=True)
    path = Path(given)
    if path.is_dir():
        return Study(_space_in(path), path)
    file = Path(given if path.is_file() else given.partition(":")[0])
    if not file.is_file():
        near = did_you_mean(f"@{path.name.partition('.')[0]}", catalog.studies())
        raise CallError(
            f"`{given}` cannot be read: no such file or directory", near or "`archdsl list studies` shows those packaged"
        )
    return Study(given, None)


def _space_in(folder: Path) -> str:
    found = [folder / name for name in SPACES if (folder / name).is_file()]
    if not found:
        inside = sorted(entry.name for entry in folder.glob("*.arch"))
        help = (
            f"name the file: `{(folder / inside[0]).as_posix()}`"
            if inside
            else "a study is a folder with the file of a space in it"
        )
        raise CallError(f"there is no `{SPACES[0]}` in `{folder.as_posix()}`", help)
    if len(found) > 1:
        both = " and ".join(f"`{path.name}`" for path in found)
        raise CallError(f"there are {both} in `{folder.as_posix()}`", "a study has one space; remove the other")
    return found[0].as_posix()


def space_of(study: Study) -> Spec:
    """The space of a study, loaded."""
    from archdsl import api

    spec = api.load(study.space)
    if spec.kind != "space":
        raise CallError(
            f"`{spec.name}` is an arch: it leaves nothing to choose", "write `space NAME over ARCH { ... }` in its file"
        )
    return spec


def started(args: Namespace, verb: str) -> Path:
    """The folder of a study that is there already, for the verbs that read it or go on with it."""
    study = study_of(args.study)
    if study.folder is None:
        raise CallError(
            f"`{args.study}` is the file of a space, and `{verb}` takes the folder of a study",
            f"`archdsl search run {args.study} -o DIR` starts one",
        )
    return study.folder
