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
class Tokens:
    """Tokens that a map carries beside its grid, such as the class token."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """What one image is at some place of a network: `channels` at each of its tokens.

    The tokens are the positions of the grid of `size` (after pooling there is no grid, and `size` is None) and, before
    them, the extra `tokens` in their order. A tensor [B, *shape] has one of three forms: a map [B, C, H, W]; a vector
    [B, C], where one token is left or everything was pooled; a list of tokens [B, C, N], the extra ones first, then the
    grid row by row.
    """

    channels: int
    size: Size | None
    tokens: tuple[Tokens, ...] = ()

    def __str__(self) -> str:
        grid = f"{self.channels}" if self.size is None else f"{self.channels}x{self.size}"
        extra = [token.name if token.count == 1 else f"{token.count} {token.name}" for token in self.tokens]
        return " + ".join([grid, *extra])

    @property
    def extra(self) -> int:
        """The number of tokens beside the grid."""
        return sum(token.count for token in self.tokens)

    @property
    def positions(self) -> int:
        """The number of all tokens: those of the grid and the extra ones; 1 after pooling."""
        if not self.tokens:
            return 1 if self.size is None else self.size.area
        return self.extra + (self.size.area if self.size else 0)

    @property
    def elements(self) -> int:
        return self.channels * self.positions

    def with_channels(self, channels: int) -> FeatureMap:
        return replace(self, channels=channels)

    def with_size(self, size: Size | None) -> FeatureMap:
        return replace(self, size=size)

    def with_tokens(self, *tokens: Tokens) -> FeatureMap:
        return replace(self, tokens=tokens)

    def place_of(self, part: FeatureMap) -> tuple[int, int] | None:
        """Where the tokens of `part` lie among those of this map: first and end; None where they are no part of it."""
        if part.channels != self.channels or not self.tokens:
            return None
        if part.size is not None:
            return (self.extra, self.positions) if part.size == self.size and not part.tokens else None
        start = 0
        for token in self.tokens:
            if part.tokens == (token,):
                return start, start + token.count
            start += token.count
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image's tensor, without the batch."""
        if self.size is not None and not self.tokens:
            return (self.channels, *self.size)
        return (self.channels,) if self.positions == 1 else (self.channels, self.positions)
