"""How two parts that are to be added or joined come to one shape."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.ir.network import Placed, PlacedStage
from archdsl.ir.part import first_reads
from archdsl.source.record import dataclass

# longer text than this stands as `...` in a help
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two parts that do not agree, and the values there are. `added`: by `+`, which stands closer than `->`."""

    first: Placed
    other: Placed
    values: Mapping[str, PlacedStage | Placed]
    added: bool

    def help(self) -> str:
        """What brings them to one shape."""
        a, b = self.first.y, self.other.y
        if not a.positions == b.positions == 1:
            if a.tokens != b.tokens:
                return 'bring them to the same tokens: `select("patches")` takes the grid alone'
            if a.size != b.size:
                channels = "; `conv(1x1)` changes the channels" if self.added and a.channels != b.channels else ""
                return self._one_size() + channels
        return f"bring them to the same channels: `{self._written(self.other, f'conv(1x1, out = {a.channels})')}`"

    def help_in_logits(self, classes: int | None) -> str:
        """The same in `logits`, where no part has weights."""
        a, b = self.first.y, self.other.y
        if len(a.shape) != len(b.shape) or a.positions != b.positions:
            return f"pool it: `{self._written(self.first if a.positions > b.positions else self.other, 'mean')}`"
        if a.size != b.size or a.tokens != b.tokens:
            return f"pool both: `{self._written(self.first, 'mean')}`, `{self._written(self.other, 'mean')}`"
        wrong = self.first if a.channels != classes and b.channels == classes else self.other
        name = next((f"`{read.value}`" for read in first_reads(wrong.part)), "the head")
        return f"end {name} with `linear(classes)`"

    def _one_size(self) -> str:
        a, b = self.first.y, self.other.y
        if a.size is None or b.size is None:
            return f"pool the map: `{self._written(self.first if a.size else self.other, 'mean')}`"
        # the smaller comes up to the larger where that is a value, which can be named
        pair = (self.first, self.other) if a.size.area <= b.size.area else (self.other, self.first)
        for here, there in (pair, pair[::-1]):
            name = self._named(there)
            if name and not here.y.tokens:
                return f"bring one to the size of the other: `{self._written(here, f'resize({name})')}`"
        return "bring them to one size: a stride, as in `conv(3x3, stride = 2)`, or a pooling makes a map smaller"

    def _named(self, placed: Placed) -> str:
        """The value of a part's size that it begins by reading; empty where there is none."""
        names = [read.value for read in first_reads(placed.part)]
        return next((name or "stem" for name in names if self.values[name].y.size == placed.y.size), "")

    def _written(self, placed: Placed, behind: str) -> str:
        """The text of a part with another behind it."""
        text = " ".join(placed.part.span.text.split())
        text = f"{text if len(text) <= _LONGEST else '...'} -> {behind}"
        return f"({text})" if self.added else text
