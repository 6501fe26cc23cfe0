"""Files of arrays: forms, channels, and what is wrong with them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from archdsl.search.data.load import load_data
from archdsl.search.data.split import Split
from archdsl.source.diagnostic import SpecError
from tests.search.data.pictures import network

LABELS = np.arange(12) % 3


def saved(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def fails(slug: str, data: str, input: str = "1x8x8") -> str:
    with pytest.raises(SpecError) as caught:
        load_data(data, network(input))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == slug
    return diagnostic.message


@pytest.mark.parametrize(
    ("shape", "input"),
    [
        ((12, 8, 8), "1x8x8"),
        ((12, 8, 8, 1), "1x8x8"),
        ((12, 1, 8, 8), "1x8x8"),
        ((12, 8, 8, 3), "3x8x8"),
        ((12, 3, 8, 8), "3x8x8"),
    ],
)
def test_forms(tmp_path: Path, shape: tuple[int, ...], input: str) -> None:
    images = pixels(*shape)
    data = load_data(saved(tmp_path / "a.npz", images=images, labels=LABELS[:, None]), network(input))
    assert len(data.train) + len(data.val) == 12
    found, labels = data.val[0]
    first = next(index for index in range(12) if abs(images[index].mean() / 255 - found.mean()) < 1e-6)
    assert LABELS[first] == labels
    expected = images[first]
    if expected.ndim == 2:
        expected = expected[None]
    elif expected.shape[-1] in (1, 3):
        expected = expected.transpose(2, 0, 1)
    assert torch.equal((found * 255).round().byte(), torch.from_numpy(expected.copy()))


def test_floats_and_a_given_split(tmp_path: Path) -> None:
    images = pixels(12, 8, 8).astype(np.float64) / 255
    path = saved(
        tmp_path / "a.npz",
        train_images=images,
        train_labels=LABELS,
        val_images=images[:3],
        val_labels=LABELS[:3].astype(np.uint8),
    )
    data = load_data(path, network())
    assert (len(data.train), len(data.val)) == (12, 3)
    assert torch.allclose(data.val[1][0], torch.from_numpy(images[1]).float())
    assert data.mean.item() == pytest.approx(images.mean(), abs=1e-6)
    assert data.std.item() == pytest.approx(images.std(), abs=1e-6)


def test_grey_images_are_repeated_for_colours(tmp_path: Path) -> None:
    data = load_data(saved(tmp_path / "a.npz", images=pixels(12, 8, 8), labels=LABELS), network("3x8x8"))
    image = data.train[0][0]
    assert torch.equal(image[0], image[1])


def test_the_preprocess_of_the_spec_normalises(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", images=pixels(12, 12, 12), labels=LABELS)
    more = "preprocess = normalize(mean = [0.25], std = [0.5], crop_ratio = 0.5)"
    data = load_data(path, network(more=more))
    assert (data.mean.item(), data.std.item()) == (0.25, 0.5)
    assert data.train[0][0].shape == (1, 8, 8)


def test_images_of_one_shade_are_not_divided_by_nothing(tmp_path: Path) -> None:
    data = load_data(saved(tmp_path / "a.npz", images=np.full((12, 8, 8), 9, np.uint8), labels=LABELS), network())
    assert data.std.item() == 1


def test_fewer_images_evenly(tmp_path: Path) -> None:
    labels = np.repeat([0, 1, 2], [2, 10, 20])
    path = saved(tmp_path / "a.npz", images=pixels(32, 8, 8), labels=labels)
    data = load_data(path, network(), Split(train_images=10, val_images=3))
    assert torch.bincount(data.train.labels).tolist() == [1, 5, 4]
    assert torch.bincount(data.val.labels).tolist() == [1, 1, 1]
    with pytest.raises(SpecError, match="2 images of 3 classes"):
        load_data(path, network(), Split(train_images=2))


WRONG = {
    "channels": ({"images": pixels(12, 8, 8, 3), "labels": LABELS}, "wrong-data", "the spec takes images of 1 channels"),
    "flat": ({"images": pixels(12, 64), "labels": LABELS}, "wrong-data", "is [12, 64]"),
    "whole numbers": ({"images": pixels(12, 8, 8).astype(np.int64), "labels": LABELS}, "wrong-data", "is of int64"),
    "range": ({"images": pixels(12, 8, 8).astype(np.float32), "labels": LABELS}, "wrong-data", "is from 0 to 255"),
    "no number": ({"images": np.full((12, 8, 8), np.nan), "labels": LABELS}, "wrong-data", "is from nan to nan"),
    "count": ({"images": pixels(12, 8, 8), "labels": LABELS[:9]}, "wrong-data", "12 images in `images` and 9 labels"),
    "fractions": ({"images": pixels(12, 8, 8), "labels": LABELS / 2}, "wrong-data", "of float64"),
    "one-hot": ({"images": pixels(12, 8, 8), "labels": np.eye(3, dtype=np.int64)[LABELS]}, "wrong-data", "is [12, 3]"),
    "beyond": (
        {"images": pixels(12, 8, 8), "labels": LABELS + 1},
        "wrong-data",
        "labels from 1 to 3, and the spec has 3 classes",
    ),
    "below": ({"images": pixels(12, 8, 8), "labels": LABELS - 1}, "wrong-data", "labels from -1 to 1"),
    "a class left out": ({"images": pixels(12, 8, 8), "labels": LABELS % 2}, "too-few-images", "class `2` has no image"),
    "empty": ({"images": pixels(0, 8, 8), "labels": LABELS[:0]}, "too-few-images", "is empty"),
    "names": (
        {"pictures": pixels(12, 8, 8), "labels": LABELS},
        "wrong-data",
        "has `pictures`, `labels`, not images and labels",
    ),
    "half a split": ({"train_images": pixels(12, 8, 8), "train_labels": LABELS}, "wrong-data", "none to validate with"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arrays(tmp_path: Path, name: str) -> None:
    arrays, slug, text = WRONG[name]
    assert text in fails(slug, saved(tmp_path / "a.npz", **arrays))


def test_a_class_that_is_not_validated(tmp_path: Path) -> None:
    images = pixels(12, 8, 8)
    arrays = {"train_images": images, "train_labels": LABELS, "val_images": images[:2], "val_labels": LABELS[:2]}
    assert "class `2`" in fails("too-few-images", saved(tmp_path / "a.npz", **arrays))


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", images=np.array([{}] * 3, dtype=object), labels=LABELS[:3])
    assert fails("unreadable-data", path).endswith("is no file of arrays: `images` is of Python objects")


def test_a_damaged_array(tmp_path: Path) -> None:
    whole = Path(saved(tmp_path / "a.npz", images=pixels(12, 8, 8), labels=LABELS)).read_bytes()
    for at in range(30, len(whole), 60):
        path = tmp_path / f"{at}.npz"
        path.write_bytes(whole[:at] + b"\xff\x00\xff" + whole[at + 3 :])
        try:
            load_data(str(path), network())
        except SpecError as error:
            assert error.diagnostics[0].slug in ("unreadable-data", "wrong-data")


def test_a_text_in_the_place_of_an_array(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", labels=LABELS)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("images", "no array")
    assert fails("unreadable-data", path).endswith("`images` is no array")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive"])
def test_torn_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert "is no file of arrays" in fails("unreadable-data", str(path))
