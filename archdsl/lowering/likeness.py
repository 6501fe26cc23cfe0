"""Whose weights a checkpoint holds, by its names and shapes. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from archdsl.lowering.axes import same_order
from archdsl.lowering.keymap import COUNTER

Shapes = Mapping[str, Sequence[int]]

# of the names on either side; below that a checkpoint is like no other
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Known:
    """The tensors of a packaged spec in one layout, by name and shape; with `fuse` those of its deploy form."""

    spec: str
    layout: str
    shapes: Shapes
    fuse: bool = False


@dataclass(frozen=True, slots=True)
class Likeness:
    """The packaged spec that a checkpoint is most like: `share` of the names are common, `misshapen` of them differ.

    With `fuse` it is like the deploy form of the spec.
    """

    spec: str
    layout: str
    share: float
    misshapen: int
    fuse: bool = False

    @property
    def exact(self) -> bool:
        """Whether these are the weights of that spec."""
        return self.share == 1 and not self.misshapen

    def __str__(self) -> str:
        layout = "archdsl's layout" if self.layout == "own" else "the official layout"
        spec = f"`{self.spec}` in its deploy form" if self.fuse else f"`{self.spec}`"
        if self.exact:
            return f"they are those of {spec}, in {layout}"
        if self.share == 1:
            return f"they have the names of {spec} in {layout}, and {self.misshapen} tensors of other shapes"
        return f"they look like {spec} in {layout}: {self.share:.0%} of the names are common"


def likeness(given: Shapes, known: Iterable[Known]) -> Likeness | None:
    """The packaged spec that a checkpoint is most like, by names, then by shapes, then by size; None where it is like none.

    Of two that it is like in every tensor it is the first.
    """
    names = _names(given)
    size = sum(prod(shape) for shape in given.values())
    best: tuple[float, int, int] | None = None
    found: Likeness | None = None
    for one in known:
        theirs = _names(one.shapes)
        common = names & theirs
        share = len(common) / max(1, len(names) + len(theirs) - len(common))
        if share < _ALIKE or (best and share < best[0]):
            continue
        misshapen = sum(not same_order(given[name], one.shapes[name]) for name in common)
        rank = (share, -misshapen, -abs(size - sum(prod(shape) for shape in one.shapes.values())))
        if best is None or rank > best:
            best, found = rank, Likeness(one.spec, one.layout, share, misshapen, one.fuse)
            if found.exact:
                break
    return found


def _names(shapes: Shapes) -> set[str]:
    return {name for name in shapes if name.rpartition(".")[2] != COUNTER}
