"""What is found out about a space's pieces while they are looked at."""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.feasible.trace import Key
from archdsl.ir.part import Arch


class Learned(Exception):
    """The pieces are not what they were thought to be: they have to be made anew."""


class Coupled(Learned):
    """The map that leaves a line depends on decisions that were thought to be its own. They have to be known from the start."""

    def __init__(self, stage: str, keys: Iterable[Key]) -> None:
        self.stage = stage
        self.keys = frozenset(keys)
        super().__init__()


class More(Learned):
    """A layout of a stage has more lines than were met before."""

    def __init__(self, stage: str, lines: int) -> None:
        self.stage = stage
        self.lines = lines
        super().__init__()


class Rewired(Learned):
    """A piece reads other values at some points than in the base, so that what evaluation reaches depends on the point."""

    def __init__(self, piece: str) -> None:
        self.piece = piece
        super().__init__()


class Deep(Learned):
    """Some points have more blocks than a network may have."""


class Known:
    """What was learned. It begins with what the base shows.

    `open` has the decisions of a stage on which the maps inside it depend, `lines` how many lines its layouts have, `depths`
    the most blocks that it was met with. `bounded`: the blocks of all stages have to be counted. `rewired` are the pieces that
    read other values at some points.
    """

    def __init__(self, base: Arch) -> None:
        self.open: dict[str, frozenset[Key]] = {stage.name: frozenset() for stage in base.stages}
        self.lines = {stage.name: max(len(block.lines) for block in stage.blocks) for stage in base.stages}
        self.depths = {stage.name: len(stage.blocks) for stage in base.stages}
        self.bounded = False
        self.rewired: set[str] = set()

    def learn(self, learned: Learned) -> None:
        """Take note of it."""
        match learned:
            case More():
                self.lines[learned.stage] = learned.lines
            case Coupled():
                known = self.open[learned.stage]
                # otherwise nothing new was learned, and the same would be met for ever
                assert not learned.keys <= known, f"the maps of `{learned.stage}` differ for no reason"
                self.open[learned.stage] = known | learned.keys
            case Deep():
                self.bounded = True
            case Rewired():
                assert learned.piece not in self.rewired
                self.rewired.add(learned.piece)
