"""Images of any size made as large as the input of a spec."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.ir.preprocess import Preprocess


@dataclass(frozen=True, slots=True)
class Fit:
    """How an image becomes `height` x `width`, after the terms of `archdsl.ir.preprocess`.

    Without a `preprocess` in the spec the shorter side is resized to the input's, and the centre is cut out.
    """

    height: int
    width: int
    interpolation: str = "bilinear"
    crop_ratio: float = 1.0
    stretch: bool = False

    @staticmethod
    def of(height: int, width: int, preprocess: Preprocess | None) -> Fit:
        if preprocess is None:
            return Fit(height, width)
        return Fit(height, width, preprocess.interpolation, preprocess.crop_ratio, preprocess.fit == "stretch")

    def __call__(self, images: Tensor) -> Tensor:
        """Images [N, C, h, w] as [N, C, height, width], of the same numbers: 0 to 255, or floats."""
        height, width = images.shape[2:]
        if (height, width) == (self.height, self.width) and self.crop_ratio == 1:
            return images
        target = self._resized(height, width)
        if target != (height, width):
            images = self._interpolated(images, target)
        return self._centre(images)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """The size before the crop."""
        if self.stretch:
            return self.height, self.width
        factor = max(self.height / height, self.width / width) / self.crop_ratio
        return max(1, round(height * factor)), max(1, round(width * factor))

    def _interpolated(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        whole = not images.is_floating_point()
        found = images.float() if whole else images
        if self.interpolation == "nearest":
            return F.interpolate(found, size, mode="nearest-exact").to(images.dtype)
        found = F.interpolate(found, size, mode=self.interpolation, align_corners=False, antialias=True)
        return found.round().clamp(0, 255).to(torch.uint8) if whole else found.clamp(0, 1)

    def _centre(self, images: Tensor) -> Tensor:
        """The centre, with zeros around it where an image is smaller."""
        height, width = images.shape[2:]
        down, right = max(0, self.height - height), max(0, self.width - width)
        if down or right:
            images = F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))
            height, width = images.shape[2:]
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return images[:, :, top : top + self.height, left : left + self.width]
