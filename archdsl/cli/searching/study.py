"""Which study a call means: a folder, the file of a space, or a packaged study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.cli.console import CallError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from archdsl.api import Spec
    from archdsl.search.folder import StudyFolder


def add_study(parser: ArgumentParser) -> None:
    """The study."""
    parser.add_argument("study", metavar="STUDY", help="a folder with space.arch, the file of a space, or @NAME as packaged")


def add_storage(parser: ArgumentParser) -> None:
    """The storage of a study that is there."""
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")


def place_of(given: str) -> Path:
    """Where the study lies that a call names: a folder, or the file of a space.

    Raises
    ------
    CallError: nothing is named, or no packaged study has the name.
    """
    from archdsl.cli import catalog
    from archdsl.source.suggest import did_you_mean

    if not given.strip():
        raise CallError("STUDY is empty", "name a folder that holds `space.arch`; `.` is the current one")
    known = catalog.studies()
    if given.startswith("@"):
        if given not in known:
            help = did_you_mean(given, known) or "`archdsl list studies` shows them"
            raise CallError(f"there is no packaged study `{given}`", help)
        return catalog.study_folder(given)
    if not Path(given).exists() and f"@{Path(given).name}" in known:
        raise CallError(f"there is no `{given}`", f"there is a packaged study of that name: `@{Path(given).name}`")
    return Path(given)


def study_of(given: str) -> StudyFolder:
    """The study that a call names, in its folder. Raises as `place_of`, and `SpecError` `not-a-study`."""
    from archdsl.search.folder import StudyFolder

    return StudyFolder.of(place_of(given))


def space_of(study: StudyFolder) -> Spec:
    """The space of a study, loaded."""
    from archdsl import api

    spec = api.load(study.space)
    if spec.kind != "space":
        help = "write `space NAME over ARCH { ... }` in its file"
        raise CallError(f"`{spec.name}` is an arch: it leaves nothing to choose", help)
    return spec
