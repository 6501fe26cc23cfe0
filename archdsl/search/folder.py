"""The folder of a study: which file is which."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from archdsl.lowering.atomic import file_at_once
from archdsl.search.problems import not_a_study, unwritable

SPACES = ("space.arch", "space.yaml")


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """A folder that holds a space, and all that a search of it leaves.

    A space in a file of another name is a study, too: its folder is `NAME.study` beside the file.
    """

    path: Path
    file: Path | None = None

    @staticmethod
    def of(study: str | os.PathLike[str]) -> StudyFolder:
        """The folder that a call means by a path to it, or to its space.

        Raises
        ------
        SpecError: `not-a-study`.
        """
        path = Path(study)
        if path.is_file():
            if path.name in SPACES:
                return StudyFolder(path.parent)
            return StudyFolder(path.with_name(f"{path.stem}.study"), path)
        if not path.is_dir():
            raise not_a_study(path, "there is no such folder", "name a folder with a `space.arch`, or the file of a space")
        return StudyFolder(path)

    @property
    def space(self) -> Path:
        """The file of the space. Raises `SpecError` `not-a-study` where there is none."""
        if self.file is not None:
            return self.file
        for name in SPACES:
            if (self.path / name).is_file():
                return self.path / name
        raise not_a_study(self.path, "it has no `space.arch`", "write the space to `space.arch` in it")

    @property
    def settings(self) -> Path:
        return self.path / "study.yaml"

    @property
    def lock(self) -> Path:
        return self.path / "study.lock"

    @property
    def database(self) -> Path:
        return self.path / "study.db"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def winners(self) -> Path:
        return self.path / "winners"

    @property
    def results(self) -> Path:
        return self.path / "RESULTS.md"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def bugs(self) -> Path:
        """Where specs lie whose counts differ from what fvcore finds."""
        return self.path / "bugs"

    @property
    def name(self) -> str:
        return self.path.as_posix()

    def write(self, path: Path, text: str) -> None:
        """Write a file of the study at once or not at all; the folder is made where it is missing.

        Raises
        ------
        SpecError: `unwritable-study`.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with file_at_once(path) as draft:
                draft.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise unwritable(path.as_posix(), (error.strerror or str(error)).lower()) from error
