"""Image folders: found, split, decoded, and refused with the file or the class that is at fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archdsl.search.data.load import load_data
from archdsl.search.data.split import Split
from archdsl.source.diagnostic import SpecError
from tests.search.data.pictures import folder, network

COUNTS = {"ant": 5, "bee": 10, "cat": 3}


def fails(slug: str, data: Path, input: str = "1x8x8", classes: int = 3) -> str:
    """What is said of data that must be refused."""
    with pytest.raises(SpecError) as caught:
        load_data(str(data), network(input, classes))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == slug
    return diagnostic.message


def test_class_folders_are_split_class_by_class(tmp_path: Path) -> None:
    data = load_data(str(folder(tmp_path / "a", COUNTS)), network())
    assert data.classes == ("ant", "bee", "cat")
    assert torch.bincount(data.train.labels).tolist() == [4, 8, 2]
    assert torch.bincount(data.val.labels).tolist() == [1, 2, 1]
    images, labels = data.val.__getitems__(range(len(data.val)))
    assert images.shape == (4, 1, 8, 8)
    # each image has the shade of its class
    assert (images[:, 0, 4, 4] * 255).round().int().tolist() == [40 * label for label in labels.tolist()]


def test_the_split_is_a_function_of_its_seed(tmp_path: Path) -> None:
    path = str(folder(tmp_path / "a", {"x": 20, "y": 20}))
    marks = []
    for seed in (0, 1, 0):
        data = load_data(path, network(classes=2), Split(0.5, seed))
        marks.append((data.val.__getitems__(range(20))[0][:, 0, 0, 0] * 255).round().int().tolist())
        train = (data.train.__getitems__(range(20))[0][:, 0, 0, 0] * 255).round().int().tolist()
        for part in (slice(0, 10), slice(10, 20)):
            assert sorted(marks[-1][part] + train[part]) == list(range(20))
    assert marks[0] == marks[2] != marks[1]


def test_a_given_split_is_taken(tmp_path: Path) -> None:
    folder(tmp_path / "train", COUNTS)
    folder(tmp_path / "val", {"ant": 2, "bee": 1, "cat": 1})
    data = load_data(str(tmp_path), network())
    assert (len(data.train), len(data.val)) == (18, 4)


def test_colours_and_shades_become_what_the_spec_takes(tmp_path: Path) -> None:
    shades = load_data(str(folder(tmp_path / "rgb", COUNTS, mode="RGB")), network("1x8x8"))
    colours = load_data(str(folder(tmp_path / "grey", COUNTS, mode="P")), network("3x8x8"))
    assert shades.train[0][0].shape == (1, 8, 8)
    image = colours.train[0][0]
    assert image.shape == (3, 8, 8)
    assert torch.equal(image[0], image[2])
    assert colours.mean.shape == (3, 1, 1)


def test_images_of_any_size_fill_the_input(tmp_path: Path) -> None:
    data = load_data(str(folder(tmp_path / "wide", COUNTS, size=(40, 20))), network("1x16x8"))
    assert data.train[0][0].shape == (1, 16, 8)


def test_an_image_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", {"x": 2, "y": 2})
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels).save(root / "x" / "000.png", exif=exif)
    Image.fromarray(pixels).save(root / "x" / "001.png", exif=exif)
    data = load_data(str(root), network(classes=2))
    image = data.train[0][0][0]
    assert image[0].min() == 1
    assert image[-1].max() == 0


def test_sixteen_bits_keep_their_shades(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", {"x": 2, "y": 2})
    for name in ("000.png", "001.png"):
        Image.fromarray(np.full((8, 8), 128 * 256, np.uint16)).save(root / "x" / name)
    assert load_data(str(root), network(classes=2)).train[0][0].unique().tolist() == [pytest.approx(128 / 255)]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", COUNTS)
    (root / "notes.txt").write_text("no image")
    (root / "ant" / "notes.txt").write_text("no image")
    (root / "ant" / "._000.png").write_text("no image")
    (root / ".cache").mkdir()
    assert len(load_data(str(root), network()).train) == 14


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", COUNTS)
    (root / "bee" / "004.png").write_bytes((root / "bee" / "004.png").read_bytes()[:40])
    assert "bee/004.png" in fails("unreadable-data", root)
    (root / "bee" / "004.png").write_text("no image at all")
    assert "bee/004.png" in fails("unreadable-data", root)


def test_an_image_too_large_to_open_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "a", COUNTS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert "ant/00" in fails("unreadable-data", root)


def test_an_empty_class(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", COUNTS)
    (root / "dog").mkdir()
    assert fails("too-few-images", root, classes=4).startswith("class `dog` has no image")


def test_a_class_of_one_image(tmp_path: Path) -> None:
    assert fails("too-few-images", folder(tmp_path / "a", {"x": 3, "y": 1}), classes=2) == "class `y` has one image"


def test_another_number_of_classes(tmp_path: Path) -> None:
    message = fails("wrong-data", folder(tmp_path / "a", COUNTS), classes=7)
    assert message.endswith("has 3 classes, and the spec has 7")


def test_a_class_of_one_side_only(tmp_path: Path) -> None:
    folder(tmp_path / "train", COUNTS)
    folder(tmp_path / "val", {"ant": 1, "bee": 1})
    assert fails("wrong-data", tmp_path).startswith("class `cat` is in ")


def test_training_images_alone(tmp_path: Path) -> None:
    folder(tmp_path / "train", COUNTS)
    assert fails("missing-data", tmp_path).endswith("has `train/` and no `val/`")


def test_a_folder_without_folders(tmp_path: Path) -> None:
    assert fails("missing-data", tmp_path).endswith("holds no folders")


def test_files_have_one_or_three_channels(tmp_path: Path) -> None:
    assert fails("wrong-data", folder(tmp_path / "a", COUNTS), "4x8x8") == (
        "image files have 1 or 3 channels, and the spec takes 4"
    )


def test_too_many_images_to_keep_are_read_when_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "a", COUNTS, size=(20, 20))
    kept = load_data(str(root), network("1x8x8"))
    monkeypatch.setattr("archdsl.search.data.load.KEPT", 10)
    # another path is another entry of the cache
    drawn = load_data(f"{root}/", network("1x8x8"))
    assert type(drawn.train) is not type(kept.train)
    for one, other in zip(kept.train.__getitems__(range(14)), drawn.train.__getitems__(range(14)), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(kept.mean, drawn.mean)
