"""Spaces that get a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

import archdsl
from archdsl.cli.main import main
from archdsl.search import resume, run
from tests.search.studies import SPACE, told

_TEXT = SPACE.replace("OBJECTIVES", "maximize params")


def test_an_import_by_the_name_of_the_copy_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arch, space = _TEXT.split("\nspace ")
    (tmp_path / "space.arch").write_text(arch)
    (tmp_path / "wide.arch").write_text(f'import "space.arch" (base)\nspace {space}')
    assert main(["search", "run", str(tmp_path / "wide.arch"), "-o", str(tmp_path / "out")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the space imports a file that is called `space.arch`" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_the_file_of_a_study_that_was_edited(tmp_path: Path) -> None:
    file = tmp_path / "wide.arch"
    file.write_text(_TEXT)
    found = run(file, trials=2)
    file.write_text(f"# as wide\n{_TEXT}")
    assert told(resume(file)) == told(found)
    file.write_text(_TEXT.replace("1..4", "1..5"))
    for call in (run, resume):
        with pytest.raises(archdsl.SpecError) as caught:
            call(file)
        [told_of] = caught.value.diagnostics
        assert told_of.slug == "study-changed"
        assert told_of.message.startswith(f"`{file.as_posix()}` was edited since its study was begun")
        assert f"`archdsl search run {file.as_posix()} -o DIR`" in (told_of.help or "")
    assert told(resume(tmp_path / "wide.study")) == told(found)
