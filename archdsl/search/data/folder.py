"""Images in folders, one folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from archdsl.search.data import fault
from archdsl.search.data.examples import Batch, Examples
from archdsl.search.data.fit import Fit

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
# folders that hold the classes of a given split
TRAIN, VAL = "train", "val"
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, slots=True)
class Listed:
    """Files with the classes of their folders. `classes` are the names of the folders, in alphabetical order."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def listed(folder: Path, channels: int) -> tuple[Listed, Listed | None]:
    """The images below a folder: all, or those of `train/` and those of `val/`, each with a folder for each class.

    Raises
    ------
    SpecError: `missing-data`, `too-few-images`, `unreadable-data`; `wrong-data`, also where no image file has so many channels.
    """
    if channels not in _MODES:
        help = "give arrays (.npz) of as many channels, or a spec that takes 1 or 3"
        raise fault.wrong(f"image files have 1 or 3 channels, and the spec takes {channels}", help)
    try:
        if (folder / TRAIN).is_dir():
            if not (folder / VAL).is_dir():
                help = f"put images to validate with into `{folder / VAL}`, or all class folders into `{folder}`"
                raise fault.missing(f"`{folder}` has `{TRAIN}/` and no `{VAL}/`", help)
            train, val = _classes(folder / TRAIN), _classes(folder / VAL)
            if other := sorted(set(train.classes) ^ set(val.classes)):
                there, lacking = (TRAIN, VAL) if other[0] in train.classes else (VAL, TRAIN)
                raise fault.wrong(f"class `{other[0]}` is in `{folder / there}` and not in `{folder / lacking}`")
            return train, val
        return _classes(folder), None
    except OSError as error:
        raise fault.unreadable(f"`{error.filename or folder}` cannot be read: {error.strerror or error}") from None


def _classes(folder: Path) -> Listed:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        help = "there is one folder for each class, with the images in it"
        raise fault.missing(f"`{folder}` holds no folders", help)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        found = sorted(path for path in (folder / name).rglob("*") if _is_image(path))
        if not found:
            raise fault.too_few(
                f"class `{name}` has no image: `{folder / name}`", f"images end in {', '.join(sorted(SUFFIXES))}"
            )
        paths += found
        labels += [label] * len(found)
    return Listed(tuple(paths), tuple(labels), tuple(names))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


@dataclass(frozen=True)
class Files(Examples):
    """Images that are read when they are drawn."""

    paths: tuple[Path, ...]
    labels: Tensor
    channels: int
    fit: Fit

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        return self.bytes(indices).float() / 255, self.labels[torch.as_tensor(indices)]

    def chosen(self, indices: Sequence[int]) -> Files:
        paths = tuple(self.paths[index] for index in indices)
        return Files(paths, self.labels[torch.as_tensor(indices)], self.channels, self.fit)

    def bytes(self, indices: Sequence[int]) -> Tensor:
        """Images [B, C, H, W] of uint8."""
        made = torch.empty(len(indices), self.channels, self.fit.height, self.fit.width, dtype=torch.uint8)
        for place, index in enumerate(indices):
            made[place] = self.fit(decoded(self.paths[index], self.channels)[None])[0]
        return made


def decoded(path: Path, channels: int) -> Tensor:
    """An image as [C, h, w] of uint8, upright, grey or in red, green and blue as the number of channels asks for.

    Raises
    ------
    SpecError: `unreadable-data`, with the path.
    """
    try:
        with Image.open(path) as file:
            pixels = np.asarray(_mode(ImageOps.exif_transpose(file), _MODES[channels]))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise fault.unreadable(f"`{path}` is no image that can be read: {error}", "repair it or take it away") from None
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels).copy()).permute(2, 0, 1)


def _mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        # 16 bits: converted as they are, all but the darkest shades would be white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of 32 bits (mode {image.mode})")
    return image.convert(mode)
