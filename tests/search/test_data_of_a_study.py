"""The images of a study: seen from its folder, copied with it, moved, and exchanged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from archdsl.cli.main import main
from archdsl.search import resume, run
from archdsl.search.data.fingerprint import fingerprint
from archdsl.search.folder import StudyFolder
from archdsl.search.lock import Lock
from archdsl.search.settings import Settings
from archdsl.source.diagnostic import SpecError
from tests.search.data.pictures import ARCH, folder

_SPACE = "space depths over tiny {\n  stage s1 { depth = 1..4 }\n  maximize accuracy\n}\n"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    made = tmp_path / "study"
    folder(made / "img" / "pics", {"a": 4, "b": 5})
    (made / "space.arch").write_text(ARCH.format(input="1x8x8", classes=2, more="") + _SPACE)
    (made / "study.yaml").write_text('trials: 2\nobjectives:\n  accuracy: {data: "img/pics", epochs: 1}  # mine\n')
    return made


def _data(study: Path) -> object:
    return Settings.read(study / "study.yaml").objectives["accuracy"]["data"]


@pytest.mark.usefixtures("quick")
def test_a_path_is_seen_from_the_folder_of_the_study(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(study)
    other = tmp_path / "other"
    folder(other / "img" / "pics", {"a": 9, "b": 9})
    monkeypatch.chdir(other)
    assert len(resume("../study", trials=3).trials) == 3


@pytest.mark.usefixtures("quick")
def test_other_images_are_another_study(study: Path) -> None:
    run(study)
    folder(study / "more", {"a": 9, "b": 9})
    settings = study / "study.yaml"
    settings.write_text(settings.read_text().replace("img/pics", "more"))
    with pytest.raises(SpecError, match="`data` of `accuracy` names other data than the study") as caught:
        resume(study, trials=3)
    [told] = caught.value.diagnostics
    assert told.slug == "study-changed"
    assert [note.message[:16] for note in told.notes[:2]] == ["it was 9 images,", "it is 18 images,"]


@pytest.mark.usefixtures("quick")
def test_images_that_moved_are_the_same(study: Path, tmp_path: Path) -> None:
    run(study)
    shutil.move(study / "img" / "pics", tmp_path / "moved")
    with pytest.raises(SpecError) as caught:
        resume(study, trials=3)
    assert f"there is no data at `{study / 'img' / 'pics'}`" in str(caught.value)
    settings = study / "study.yaml"
    settings.write_text(settings.read_text().replace("img/pics", "../moved"))
    assert len(resume(study, trials=3).trials) == 3


@pytest.mark.usefixtures("quick")
def test_a_lock_without_fingerprints_is_gone_on_with(study: Path) -> None:
    run(study)
    lock = Lock.read(StudyFolder(study))
    assert lock is not None
    assert lock.fingerprints["accuracy"].keys() == {"data"}
    replace(lock, fingerprints={}).write(StudyFolder(study))
    assert len(resume(study, trials=3).trials) == 3


@pytest.mark.usefixtures("quick")
def test_a_copy_means_the_same_images(study: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main(["search", "run", str(study), "-o", str(tmp_path / "copy"), "--dry-run"]) in (0, 1)
    assert main(["search", "run", str(study), "-o", str(tmp_path / "copy")]) == 0
    assert _data(tmp_path / "copy") == (study / "img" / "pics").as_posix()
    assert (tmp_path / "copy" / "study.yaml").read_text().endswith("# mine\n")
    settings = study / "study.yaml"
    settings.write_text(settings.read_text().replace('"img/pics"', "../inside/pics"))
    shutil.copytree(study / "img", tmp_path / "inside")
    assert main(["search", "run", str(study), "-o", str(tmp_path / "inside")]) == 0
    assert _data(tmp_path / "inside") == "./pics"


def test_fingerprints(study: Path, tmp_path: Path) -> None:
    pictures = study / "img" / "pics"
    first = fingerprint(str(pictures))
    shutil.copytree(pictures, tmp_path / "again")
    assert fingerprint(str(tmp_path / "again")) == first
    (tmp_path / "again" / "a" / "000.png").rename(tmp_path / "again" / "a" / "9.png")
    assert fingerprint(str(tmp_path / "again")) != first
    arrays = tmp_path / "a.npz"
    arrays.write_bytes(b"one")
    before = fingerprint(str(arrays))
    assert fingerprint(str(arrays.rename(tmp_path / "b.npz"))) == before
    (tmp_path / "b.npz").write_bytes(b"two")
    assert fingerprint(str(tmp_path / "b.npz")) != before
    assert fingerprint("digits").startswith("digits of scikit-learn")
