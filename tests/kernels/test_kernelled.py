"""What belongs to a component with a kernel is missed where it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.schema.registry import lookup
from archdsl.testing.kernelled import check_kernelled

FILES = ("operator.py", "samples.py", "kernel.py", "configurations.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all of it, but for the tests."""
    for name in FILES:
        (tmp_path / name).touch()
    (tmp_path / "README.md").write_text("# `routing`\n\n## The kernel\n\nOne.\n")
    return tmp_path


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(missing: str, folder: Path) -> None:
    (folder / missing).unlink()
    with pytest.raises(AssertionError, match=f"{missing} is not beside the spec"):
        check_kernelled(lookup("routing"), folder, folder)


def test_a_kernel_without_words_is_noticed(folder: Path) -> None:
    (folder / "README.md").write_text("# `routing`\n")
    with pytest.raises(AssertionError, match="no section `The kernel`"):
        check_kernelled(lookup("routing"), folder, folder)


@pytest.mark.parametrize("place", [".", ".."])
def test_a_kernel_without_a_test_is_noticed(place: str, folder: Path) -> None:
    tests = folder / "tests"
    with pytest.raises(AssertionError, match=r"no `kernels/interpreted/test_routing\.py`"):
        check_kernelled(lookup("routing"), folder, tests)
    interpreted = tests / place / "kernels" / "interpreted"
    interpreted.mkdir(parents=True)
    (interpreted / "test_routing.py").touch()
    check_kernelled(lookup("routing"), folder, tests)


def test_nothing_is_asked_of_a_component_without_a_kernel(tmp_path: Path) -> None:
    check_kernelled(lookup("conv"), tmp_path, tmp_path)
