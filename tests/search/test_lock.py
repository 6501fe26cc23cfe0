"""The lock of a study: written, read, and held against what is there now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import archdsl
from archdsl.search.folder import StudyFolder
from archdsl.search.lock import Lock, space_hash, versions
from archdsl.search.study import load_space, plan
from archdsl.source.diagnostic import SpecError
from tests.search.studies import write_study


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(write_study(tmp_path / "study", settings="objectives: {params: {}, flops: {}}\n"))


def _slug(error: pytest.ExceptionInfo[SpecError]) -> str:
    [found] = error.value.diagnostics
    return found.slug


def test_round_trip(folder: StudyFolder) -> None:
    lock = replace(plan(folder).lock, objectives={"params": {"a": 1, "b": "2", "c": 0.5}}, storage="postgresql://me@host/x")
    lock.write(folder)
    assert Lock.read(folder) == lock
    assert lock.versions.keys() == {"archdsl", "optuna", "torch", "fvcore", "numpy", "python"}


def test_none(folder: StudyFolder) -> None:
    assert Lock.read(folder) is None


@pytest.mark.parametrize("version", ["0", "2", "true", "'1'"])
def test_another_format(version: str, folder: StudyFolder) -> None:
    plan(folder).lock.write(folder)
    folder.lock.write_text(folder.lock.read_text().replace("format: 1", f"format: {version}"))
    with pytest.raises(SpecError, match="this archdsl reads 1") as caught:
        plan(folder)
    assert _slug(caught) == "study-format"


@pytest.mark.parametrize("text", ["", "format: 1\n", "form", "[", "format: 1\nstudy: 3\n", "a: [1\n", "\0\1"])
def test_damaged(text: str, folder: StudyFolder) -> None:
    folder.lock.write_text(text)
    with pytest.raises(SpecError) as caught:
        plan(folder)
    assert _slug(caught) == "damaged-study"


def test_a_lock_that_was_cut_off(folder: StudyFolder) -> None:
    plan(folder).lock.write(folder)
    whole = folder.lock.read_bytes()
    for end in range(0, len(whole) - 1, 7):
        folder.lock.write_bytes(whole[:end])
        try:
            Lock.read(folder)
        except SpecError as error:
            assert error.diagnostics[0].slug in ("damaged-study", "study-format")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("50K", "40K", "the space"),
        ("1..3", "1..2", "the space"),
        ("maximize params", "minimize params", "the space"),
        ("dim = 32", "dim = 64", "the space"),
    ],
)
def test_a_space_that_changed(old: str, new: str, what: str, folder: StudyFolder) -> None:
    plan(folder).lock.write(folder)
    folder.space.write_text(folder.space.read_text().replace(old, new))
    with pytest.raises(SpecError, match=what) as caught:
        plan(folder)
    assert _slug(caught) == "study-changed"


def test_settings_of_objectives_that_changed(trouble: Path, tmp_path: Path) -> None:
    folder = StudyFolder(write_study(tmp_path / "study", objectives="maximize trouble"))
    plan(folder).lock.write(folder)
    folder.settings.write_text("objectives: {trouble: {every: 2}}\n")
    with pytest.raises(SpecError, match="the settings of the objectives") as caught:
        plan(folder)
    assert _slug(caught) == "study-changed"


def test_wording_is_no_change(folder: StudyFolder) -> None:
    plan(folder).lock.write(folder)
    folder.space.write_text("# a comment\n" + folder.space.read_text().replace("  stage", "      stage"))
    assert plan(folder).lock == Lock.read(folder)


_WIDE = """
let wide = mlp(ratio = 4)
let most = 4
space tiny"""


def _hash(folder: StudyFolder, text: str) -> str:
    folder.space.write_text(text)
    return space_hash(load_space(folder))


def test_layout_inside_a_space_is_no_change(folder: StudyFolder) -> None:
    text = (
        folder.space.read_text().replace("\nspace tiny", _WIDE).replace("mlp(ratio = 1 | 2 | 3)", "mlp(ratio = 1 | 2) | wide")
    )
    text = text.replace("  budget", "  require s1.depth <= s2.depth + 2 <= 2 * most\n  budget")
    others = [
        text.replace("ratio = 1 | 2", "ratio=1|2"),
        text.replace("mlp(ratio = 1", "mlp( # why\n ratio = 1"),
        text.replace("require s1.depth <= s2.depth + 2", "require s1.depth<=(s2.depth+2)"),
        text.replace("let wide = mlp", "let wide =   mlp"),
    ]
    assert len({text, *others}) == 5
    assert {_hash(folder, other) for other in others} == {_hash(folder, text)}


def test_labels_are_the_same_however_they_are_laid_out(folder: StudyFolder) -> None:
    text = folder.space.read_text().replace("mlp(ratio = 1 | 2 | 3)", "mlp(ratio=1|2) | mlp( # why\n ratio=  4)")
    folder.space.write_text(text)
    [labels] = [found.labels for found in load_space(folder).decisions if found.path == "s2.channel"]
    assert labels == ("mlp(ratio = 1 | 2)", "mlp(ratio = 4)")


@pytest.mark.parametrize("where", ["file", "arch", "behind another"])
def test_a_let_that_only_require_reads_is_of_the_space(where: str, folder: StudyFolder) -> None:
    text = folder.space.read_text().replace("  budget", "  require s1.depth <= s2.depth <= most\n  budget")
    if where == "arch":
        text = text.replace("arch base {", "arch base {\n  let most = 4")
    else:
        let = "let most = 4" if where == "file" else "let four = 4\nlet most = four"
        text = text.replace("\nspace tiny", f"\n{let}\nspace tiny")
    assert "= 4\n" in text
    before = _hash(folder, text)
    assert before == _hash(folder, text.replace("most = 4", "most =  4"))
    assert before != _hash(folder, text.replace("= 4\n", "= 3\n"))


def test_the_hash_is_of_the_meaning(folder: StudyFolder) -> None:
    found = load_space(folder)
    assert space_hash(found) == space_hash(archdsl.load(folder.space, name="tiny"))
    assert space_hash(found) != space_hash(found.overridden(at=32))


def test_versions_are_told(folder: StudyFolder) -> None:
    lock = replace(plan(folder).lock, versions={**versions(), "torch": "2.0.0"})
    [note] = lock.notes(versions())
    assert note.startswith("the study was begun with torch 2.0.0, and goes on with ")


def test_another_base_is_another_space(folder: StudyFolder) -> None:
    before = load_space(folder)
    assert before.space is not None
    point = before.space.base_point
    decision = next(found for found in before.space.decisions if len(found.values) > 1)
    other = next(value for value in decision.values if value != point[decision.key])
    hashed = space_hash(before)
    before.space.base_point = {**point, decision.key: other}
    assert space_hash(before) != hashed
