"""A device is looked at before a study begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.search import run
from archdsl.search.device import check_device
from archdsl.source.diagnostic import SpecError
from tests.search.studies import write_study


def reason(name: str) -> str:
    with pytest.raises(SpecError) as caught:
        check_device(name)
    (found,) = caught.value.diagnostics
    assert found.slug == "missing-device"
    return found.message


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    check_device("cpu")
    assert reason("gpu") == "nothing can be evaluated on `gpu` here: torch knows no device of this name"
    # it has shapes and no values
    assert "meta" in reason("meta")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert reason("cuda").endswith(": torch finds no GPU")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    assert reason("cuda:2").endswith(": there are 2, counted from 0")


def test_nothing_is_begun(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s")
    with pytest.raises(SpecError, match="missing-device"):
        run(study, device="gpu")
    assert [path.name for path in study.iterdir()] == ["space.arch"]
