"""What images go through before a published network sees them."""

from __future__ import annotations

from archdsl.schema.field import field, read_fields
from archdsl.source.record import dataclass

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Images in 0..1 are resized, cropped in the centre to the network's input, and normalised: (x - mean) / std.

    The shorter side is resized to the input's divided by `crop_ratio`; above 1 the image is padded with zeros. With `fit` as
    `"stretch"` both sides are resized to the input's, whatever their ratio, and `crop_ratio` is 1. The defaults of `mean` and
    `std` are those of ImageNet.
    """

    mean: tuple[float, ...] = field(default=_MEAN, doc="mean of each channel, for values from 0 to 1")
    std: tuple[float, ...] = field(default=_STD, doc="deviation of each channel, for values from 0 to 1")
    interpolation: str = field(
        default="bicubic", choices=("bilinear", "bicubic", "nearest"), doc="how the image is resized before the crop"
    )
    crop_ratio: float = field(default=0.875, gt=0, le=2, doc="side of the crop over the shorter side of the resized image")
    fit: str = field(default="crop", choices=("crop", "stretch"), doc="how an image of another shape becomes the input")

    def as_json(self) -> dict[str, object]:
        """The fields as values that JSON has."""
        fields: dict[str, object] = {"mean": list(self.mean), "std": list(self.std)}
        return {**fields, "interpolation": self.interpolation, "crop_ratio": self.crop_ratio, "fit": self.fit}

    def __str__(self) -> str:
        mean, std = (", ".join(f"{number:g}" for number in numbers) for numbers in (self.mean, self.std))
        fit = "stretched to the input" if self.fit == "stretch" else f"crop ratio {self.crop_ratio:g}"
        return f"{self.interpolation}, {fit}, mean [{mean}], std [{std}]"


FIELDS = read_fields(Preprocess)
