"""The objective `accuracy`: made by name, measured on real digits, failing with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.search.objectives.accuracy import Accuracy
from archdsl.search.objectives.objective import Candidate, Unmeasured
from archdsl.search.objectives.registry import WrongSetting, make
from archdsl.search.running import run
from archdsl.search.training.recipe import Recipe
from archdsl.source.diagnostic import SpecError

ARCH = """
arch conv {
  input = 1x8x8
  classes = 10
  layout { residual layernorm -> channel }
  stem = conv(3x3, out = 16) -> batchnorm -> gelu
  stage s1 { dim = 32, depth = 1, channel = mlp(ratio = 2), down = conv(3x3, stride = 2) -> batchnorm }
  head = mean -> linear(classes)
}
"""
CPU = torch.device("cpu")


def candidate(arch: str = ARCH, seed: int = 0) -> Candidate:
    return Candidate(archdsl.loads(arch), seed, CPU)


def quiet(number: int, value: float) -> None:
    pass


def test_it_measures_digits_the_same_each_time() -> None:
    objective = make("accuracy", {"epochs": 3, "train_images": 300, "val_images": 200, "lr": 1e-2, "batch": 25})
    assert isinstance(objective, Accuracy)
    assert (objective.stepwise, objective.repeatable, objective.direction) == (True, True, "maximize")
    told: list[tuple[int, float]] = []
    found = objective.measure(candidate(), lambda number, value: told.append((number, value)))
    assert 0.3 < found <= 1
    assert [number for number, _ in told] == [1, 2, 3]
    assert told[-1][1] == found
    assert objective.measure(candidate(), quiet) == found
    assert objective.measure(candidate(seed=1), quiet) != found


def test_a_limit_in_seconds_depends_on_the_machine() -> None:
    assert not make("accuracy", {"seconds": 3}).repeatable
    assert Accuracy.repeatable


def test_a_loss_that_is_no_number_has_a_reason() -> None:
    objective = Accuracy(epochs=1, train_images=50, val_images=10, lr=1e30, clip=0, batch=10, warmup=0)
    with pytest.raises(Unmeasured, match=r"the loss is (nan|inf) at step"):
        objective.measure(candidate(), quiet)


def test_the_recipe_has_the_settings() -> None:
    given = {"epochs": 2, "batch": 8, "lr": 0.5, "augment": "shift", "threads": 2, "clip": 0.0, "smoothing": 0.0}
    assert Accuracy(**given).recipe == Recipe(**given)
    assert Accuracy().recipe == Recipe()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"epochs": 0}, "`epochs` of `accuracy` is a whole number, >= 1"),
        ({"augment": "mirror"}, "`augment` of `accuracy`"),
        ({"val_share": 1.0}, "`val_share` of `accuracy`"),
        ({"epoch": 3}, "no setting `epoch`"),
    ],
)
def test_wrong_settings(settings: dict[str, object], text: str) -> None:
    with pytest.raises(WrongSetting, match=text):
        make("accuracy", settings)


def test_the_data_is_looked_at_before_the_first_trial(tmp_path: Path) -> None:
    spec = archdsl.loads(ARCH)
    Accuracy(augment="shift").check(spec)
    with pytest.raises(SpecError, match=r"there is no data at `.*/nowhere`"):
        Accuracy(data="nowhere").check(spec)
    with pytest.raises(SpecError, match="`digits` has 10 classes, and the spec has 7"):
        Accuracy().check(archdsl.loads(ARCH.replace("classes = 10", "classes = 7")))
    for name in "abcdefghij":
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.png").write_text("no image")
    # files are not opened yet
    Accuracy(data=str(tmp_path)).check(spec)
    with pytest.raises(SpecError, match="is no image that can be read"):
        Accuracy(data=str(tmp_path)).measure(candidate(), quiet)


def test_a_study_without_its_data_does_not_begin(tmp_path: Path) -> None:
    space = "space widths over conv {\n  stage s1 { dim = 32 | 48 }\n  maximize accuracy\n}\n"
    (tmp_path / "space.arch").write_text(ARCH + space)
    (tmp_path / "study.yaml").write_text("trials: 2\nobjectives:\n  accuracy: {data: nowhere, epochs: 1}\n")
    with pytest.raises(SpecError) as caught:
        run(tmp_path)
    assert [found.slug for found in caught.value.diagnostics] == ["missing-data"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["space.arch", "study.yaml"]
