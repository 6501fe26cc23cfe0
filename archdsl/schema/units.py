"""The values that flow through a spec: sizes and maps."""

from __future__ import annotations

from typing import NamedTuple

from archdsl.source.record import dataclass, replace


class Size(NamedTuple):
    """Height and width, in positions or pixels. Written `HxW`."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @property
    def area(self) -> int:
        return self.height * self.width

    def divided_by(self, step: Size) -> Size:
        """Whole steps that cover the size: rounded up."""
        return Size(-(-self.height // step.height), -(-self.width // step.width))

    def padded_to(self, step: Size) -> Size:
        """The next size that is a multiple of `step`."""
        whole = self.divided_by(step)
        return Size(whole.height * step.height, whole.width * step.width)


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """What one image is at some place of a network: `channels` at each position of `size`.

    After pooling there are no positions left and `size` is None.
    """

    channels: int
    size: Size | None

    def __str__(self) -> str:
        return f"{self.channels}" if self.size is None else f"{self.channels}x{self.size}"

    @property
    def positions(self) -> int:
        return 1 if self.size is None else self.size.area

    @property
    def elements(self) -> int:
        return self.channels * self.positions

    def with_channels(self, channels: int) -> FeatureMap:
        return replace(self, channels=channels)

    def with_size(self, size: Size | None) -> FeatureMap:
        return replace(self, size=size)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image's tensor, without the batch."""
        return (self.channels,) if self.size is None else (self.channels, *self.size)
