"""Which files a call means."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from archdsl.cli import files
from archdsl.cli.console import CallError
from archdsl.cli.files import spec_files
from archdsl.cli.main import main

ARCH = (".arch",)


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("no spec")


def test_a_folder_stands_for_the_specs_in_it() -> None:
    make("a/b/two.arch", "a/one.arch", "a/one.keys.yaml", "a/x.yaml", "a/notes.txt", "a/.b/three.arch", "a/.four.arch")
    assert spec_files(["a"], (".arch", ".yaml")) == ["a/b/two.arch", "a/one.arch", "a/x.yaml"]
    assert spec_files(["a/", "@biformer_t", "none.arch"], ARCH) == ["a/b/two.arch", "a/one.arch", "@biformer_t", "none.arch"]
    os.chdir("a")
    assert spec_files(["."], ARCH) == ["b/two.arch", "one.arch"]


def test_an_empty_path_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    make("one.arch")
    for verb in ("check", "fmt"):
        assert main([verb, ""]) == 2
        assert "a path is empty" in capsys.readouterr().err


def test_links_do_not_lead_out_of_a_folder() -> None:
    make("out/one.arch", "in/two.arch")
    Path("in/far.arch").symlink_to("../out/one.arch")
    Path("in/near.arch").symlink_to("two.arch")
    Path("in/folder").symlink_to("../out")
    Path("in/up").symlink_to("..")
    Path("in/nowhere.arch").symlink_to("gone")
    Path("way").symlink_to("in")
    assert spec_files(["in"], ARCH) == ["in/near.arch", "in/two.arch"]
    assert spec_files(["way"], ARCH) == ["way/near.arch", "way/two.arch"]


def test_a_pipe_is_no_spec() -> None:
    make("in/two.arch")
    os.mkfifo("in/one.arch")
    assert spec_files(["in"], ARCH) == ["in/two.arch"]


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    make(*(f"a/{folder}/{name}.txt" for folder in range(10) for name in range(10)), "a/one.arch")
    monkeypatch.setattr(files, "FOLDER_ENTRIES", 100)
    with pytest.raises(CallError, match="holds more than 100 files and folders"):
        spec_files(["a"], ARCH)


def test_a_folder_that_cannot_be_read_is_told_and_one_that_went_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a/one.arch", "a/b/two.arch")
    failure: list[OSError] = [PermissionError(13, "Permission denied", "a/b")]
    scan = os.scandir

    def fail(path: str) -> object:
        if path == "a/b":
            raise failure[0]
        return scan(path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(CallError, match="`a/b` cannot be read: permission denied"):
        spec_files(["a"], ARCH)
    failure[0] = FileNotFoundError(2, "No such file or directory", "a/b")
    assert spec_files(["a"], ARCH) == ["a/one.arch"]


@pytest.mark.skipif(sys.platform != "linux", reason="the files of a system are those of Linux here")
def test_a_folder_that_changes_meanwhile_is_no_bug() -> None:
    assert main(["check", "/proc"]) == 2
