"""Augmentation by name: what a training does to its images, so that it does not learn them by heart."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from archdsl.search.data import fault
from archdsl.source.suggest import did_you_mean

# what each name does to images [B, C, H, W] from 0 to 1
AUGMENTATIONS = {
    "none": "nothing",
    "shift": "moved by up to an eighth of the side, the border mirrored",
    "flip": "moved as by `shift`, and mirrored left to right half of the time",
    "affine": "turned by up to 10 degrees, moved by up to a tenth, scaled by 0.9 to 1.1",
    "crop": "a part of 0.35 to 1 of the area at a ratio of 3/4 to 4/3, and mirrored half of the time",
    "trivial": "mirrored half of the time, then one of fourteen changes at any strength (TrivialAugment, ICCV 2021)",
}


def augmentation(name: str, height: int, width: int) -> Callable[[Tensor], Tensor]:
    """What the name does, for images of this size. It draws from torch's own random state.

    Raises
    ------
    ValueError: there is no such augmentation.
    SpecError: `missing-package`.
    """
    if name not in AUGMENTATIONS:
        near = did_you_mean(name, AUGMENTATIONS)
        raise ValueError(f"there is no augmentation `{name}`{f': {near}' if near else ''}")
    if name == "none":
        return nn.Identity()
    kornia = fault.package("kornia.augmentation", of="kornia", extra="train", purpose=f"the augmentation `{name}`")
    padding = (max(1, height // 8), max(1, width // 8))
    mirrored = kornia.RandomHorizontalFlip(p=0.5)
    if name == "affine":
        return kornia.RandomAffine(10.0, (0.1, 0.1), (0.9, 1.1), p=1.0)
    if name == "crop":
        return nn.Sequential(kornia.RandomResizedCrop((height, width), (0.35, 1.0), (3 / 4, 4 / 3)), mirrored)
    if name == "trivial":
        automatic = fault.package("kornia.augmentation.auto", of="kornia", extra="train", purpose=f"the augmentation `{name}`")
        return nn.Sequential(mirrored, automatic.TrivialAugment())
    moved = kornia.RandomCrop((height, width), padding=(padding[1], padding[0]), padding_mode="reflect")
    return moved if name == "shift" else nn.Sequential(moved, mirrored)
