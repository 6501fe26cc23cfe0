"""Archives of text files."""

from __future__ import annotations

import pytest

from archdsl.testing.txtar import Archive, parse, write

TEXT = "why this case\n\n-- a.arch --\nlet a = 1\n-- empty --\n-- with blank name --\n-- no mark\n"


def test_there_and_back() -> None:
    archive = parse(TEXT)
    assert archive.comment == "why this case\n\n"
    assert archive.files == {"a.arch": "let a = 1\n", "empty": "", "with blank name": "-- no mark\n"}
    assert write(archive) == TEXT


def test_files_are_replaced_in_place() -> None:
    archive = parse(TEXT).with_files({"a.arch": "x\n", "new": "y\n"})
    assert list(archive.files) == ["a.arch", "empty", "with blank name", "new"]


@pytest.mark.parametrize("text", ["no line break", "-- mark --\n"])
def test_what_would_not_come_back_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`a`"):
        write(Archive(files={"a": text}))


def test_a_name_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse("-- a --\n-- a --\n")
