"""Images in arrays: a `.npz` file, as `numpy.savez` writes it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from archdsl.search.data import fault

# names of images and labels: all of them, or those to train with and those to validate with. MedMNIST's files have the second
ALL = ("images", "labels")
TRAIN = ("train_images", "train_labels")
VAL = ("val_images", "val_labels")
FORMS = "`images` and `labels`, or `train_images`, `train_labels`, `val_images` and `val_labels`"


@dataclass(frozen=True, slots=True)
class Arrays:
    """`images` [N, C, h, w], bytes or floats from 0 to 1; `labels` [N], whole numbers from 0."""

    images: Tensor
    labels: Tensor


def read(path: Path, channels: int) -> tuple[Arrays, Arrays | None]:
    """The images of a `.npz` file: all, or those to train with and those to validate with.

    `images` is [N, H, W], [N, H, W, C] or [N, C, H, W], of uint8, or of floats from 0 to 1; `labels` is [N] or [N, 1], of whole
    numbers from 0. Grey images are repeated for a spec that takes more channels.

    Raises
    ------
    SpecError: `unreadable-data`, `wrong-data`.
    """
    names = f"name them {FORMS}"
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no archive, or a damaged one")
            with np.load(stream, allow_pickle=False) as file:
                found = {name: _array(file, name) for name in (*ALL, *TRAIN, *VAL) if name in file.files}
                given = ", ".join(f"`{name}`" for name in file.files) or "nothing"
    except (OSError, ValueError, EOFError, KeyError, TypeError, zlib.error, zipfile.BadZipFile) as error:
        help = "`numpy.savez(path, images=images, labels=labels)` writes one; arrays of Python objects are not read"
        raise fault.unreadable(f"`{path}` is no file of arrays: {error}", help) from None
    if set(TRAIN) <= set(found):
        if not set(VAL) <= set(found):
            raise fault.wrong(f"`{path}` has images to train with, and none to validate with", names)
        return _pair(path, found, TRAIN, channels), _pair(path, found, VAL, channels)
    if not set(ALL) <= set(found):
        raise fault.wrong(f"`{path}` has {given}, not images and labels", names)
    return _pair(path, found, ALL, channels), None


def _array(file: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """An array of a file; numpy would go on to say how to run what a stranger wrote."""
    try:
        found = file[name]
    except ValueError as error:
        raise ValueError(f"`{name}` is of Python objects" if "allow_pickle" in str(error) else str(error)) from None
    if not isinstance(found, np.ndarray):
        raise ValueError(f"`{name}` is no array")
    return found


def _pair(path: Path, found: Mapping[str, np.ndarray], names: tuple[str, str], channels: int) -> Arrays:
    image_name, label_name = names
    images, labels = found[image_name], found[label_name]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        text = f"`{label_name}` of `{path}` is {list(labels.shape)} of {labels.dtype}"
        raise fault.wrong(text, "labels are one whole number for each image, from 0")
    if len(images) != len(labels):
        raise fault.wrong(f"`{path}` has {len(images)} images in `{image_name}` and {len(labels)} labels in `{label_name}`")
    if not len(images):
        raise fault.too_few(f"`{image_name}` of `{path}` is empty")
    return Arrays(_images(path, image_name, images, channels), torch.from_numpy(labels.astype(np.int64)))


def _images(path: Path, name: str, images: np.ndarray, channels: int) -> Tensor:
    """Images as [N, C, h, w]."""
    what = f"`{name}` of `{path}`"
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise fault.wrong(f"{what} is {list(images.shape)}", "images are [N, H, W], [N, H, W, C] or [N, C, H, W]")
    if images.dtype != np.uint8:
        if images.dtype.kind != "f":
            raise fault.wrong(f"{what} is of {images.dtype}", "images are bytes (uint8), or floats from 0 to 1")
        images = images.astype(np.float32)
        low, high = float(images.min()), float(images.max())
        # false for what is no number, too
        if not (low >= 0 and high <= 1):
            raise fault.wrong(f"{what} is from {low:g} to {high:g}", "floats are from 0 to 1; bytes (uint8) from 0 to 255")
    made = torch.from_numpy(np.ascontiguousarray(images))
    if made.ndim == 3:
        made = made[:, None]
    elif made.shape[-1] in (1, channels):
        made = made.permute(0, 3, 1, 2)
    if made.shape[1] == 1:
        return made.expand(-1, channels, -1, -1)
    if made.shape[1] != channels:
        raise fault.wrong(f"{what} is {list(images.shape)}, and the spec takes images of {channels} channels")
    return made
