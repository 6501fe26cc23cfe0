"""Studies that are begun: under names of their own, and never over another one."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

import archdsl
from archdsl import search
from archdsl.search import study as studies
from archdsl.search.folder import StudyFolder
from archdsl.search.lock import Lock
from archdsl.search.storage import open_storage
from archdsl.search.study import open_study, plan
from tests.search.studies import told, write_study


def _refused(error: pytest.ExceptionInfo[archdsl.SpecError]) -> str:
    [found] = error.value.diagnostics
    assert found.slug == "study-exists"
    return found.message


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("storage", ["both.journal", "sqlite:///both.db"])
def test_equal_studies_share_a_database(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = search.run(write_study(tmp_path / "one"), trials=3, storage=storage)
    two = search.run(write_study(tmp_path / "two"), trials=3, storage=storage)
    assert one.study != two.study
    assert told(one) == told(two)
    assert told(search.resume("one", trials=5)) == told(search.resume("two", trials=5))
    assert len(optuna.get_all_study_names(open_storage(storage, tmp_path / "study.db").inner)) == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("first", [None, "first.journal"])
def test_a_folder_with_trials_in_another_storage_is_not_begun_again(first: str | None, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    begun = search.run(folder, trials=2, storage=first and f"{folder}/{first}")
    before = (folder / "study.lock").read_bytes()
    with pytest.raises(archdsl.SpecError) as caught:
        search.run(folder, trials=1, seed=5, storage=f"{folder}/second.journal")
    assert "2 trials" in _refused(caught)
    assert (folder / "study.lock").read_bytes() == before
    assert told(search.history(folder)) == told(begun)


def test_of_a_server_that_is_not_named_it_is_not_known(tmp_path: Path) -> None:
    folder = StudyFolder(write_study(tmp_path / "study"))
    url = "postgresql+psycopg://me:secret@nowhere/studies"
    plan(folder, lambda found: found.changed(storage=url), anew=True).lock.write(folder)
    with pytest.raises(archdsl.SpecError) as caught:
        search.run(folder, trials=1)
    message = _refused(caught)
    assert "nowhere" in message
    assert "secret" not in message


@pytest.mark.usefixtures("quick")
def test_of_two_that_begin_at_once_one_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder(write_study(tmp_path / "study"))
    one, two = plan(folder, anew=True), plan(folder, anew=True)
    open_study(one, "begin").storage.close()
    with pytest.raises(archdsl.SpecError) as caught:
        open_study(two, "begin")
    _refused(caught)
    assert Lock.read(folder) == one.lock


def test_a_beginning_that_was_cut_off_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(write_study(tmp_path / "study"))
    with monkeypatch.context() as patch:
        patch.setattr(studies, "prepare", lambda *given: (_ for _ in ()).throw(OSError))
        with pytest.raises(OSError):
            open_study(plan(folder, anew=True), "begin")
    before = Lock.read(folder)
    assert before is not None
    assert plan(folder, anew=True).lock.study == before.study
    other = plan(folder, lambda found: found.changed(seed=4), anew=True)
    assert other.lock.study != before.study
    open_study(other, "begin").storage.close()
    assert Lock.read(folder) == other.lock
