"""The pieces of one stage: what comes before and after its blocks, and each line of its layout in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm

from archdsl.feasible.anatomy import Anatomy, Costs, Made, Refusal, added
from archdsl.feasible.learned import Coupled, Deep, Known, More
from archdsl.feasible.trace import Key, Probe, Source, Witness
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.record import dataclass

Maps = tuple[FeatureMap, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """Blocks one after the other whose maps are the same: what comes into each line, and what leaves the last."""

    position: tuple[bool, bool]
    maps: Maps
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class _Profile:
    """The maps along the blocks of a stage, and the one that leaves it. `guessed` are decisions taken as in the base for it."""

    runs: tuple[_Run, ...]
    y: FeatureMap
    guessed: frozenset[Key]


class StagePieces:
    """The pieces of a stage. What is found out about it goes into `known`; what that changes is raised as `Learned`."""

    def __init__(self, name: str, anatomies: Mapping[Size | None, Anatomy], known: Known) -> None:
        self.name = name
        self.anatomies = anatomies
        self.own = anatomies[None]
        self.known = known

    def maps(self, probe: Probe) -> list[list[Made]]:
        """What comes before the blocks and what follows them, for each image; refused if no block ends with `dim` channels."""
        made = []
        dim = self.own.number(self.name, "dim", probe)
        for anatomy in self.anatomies.values():
            entrance = anatomy.entrance(self.name, probe)
            profile = self._profile(anatomy, entrance.y, probe)
            try:
                # a last block may end wider: one that has the channels is enough
                if dim is not None and all(run.maps[-1].channels != dim for run in profile.runs):
                    raise Refusal
                tail = anatomy.tail(self.name, profile.y, probe)
            except Refusal:
                if profile.guessed:
                    raise Coupled(self.name, profile.guessed) from None
                raise
            made.append([entrance, tail])
        return made

    def line(self, line: int, probe: Probe) -> Costs:
        """What a line of the layout costs in all blocks, image by image."""
        costs: list[int] = []
        for anatomy in self.anatomies.values():
            entrance = anatomy.entrance(self.name, probe)
            profile = self._profile(anatomy, entrance.y, probe)
            total: Costs = (0,) * len(anatomy.quantities)
            for run in profile.runs:
                lines = len(run.maps) - 1
                if lines > self.known.lines[self.name]:
                    raise More(self.name, lines)
                if line < lines:
                    total = added(total, self._in_run(anatomy, line, run, profile, probe))
            costs += total
        return tuple(costs)

    def _profile(self, anatomy: Anatomy, x: FeatureMap, probe: Probe) -> _Profile:
        """The maps along the stage, as they are whatever its lines choose: that is compared in each line."""
        depth = self.own.number(self.name, "depth", probe)
        assert depth is not None
        self._deepen(depth)

        def work(source: Source) -> _Profile:
            here = x
            runs: list[_Run] = []
            guessed: set[Key] = set()
            for block in range(depth):
                position = anatomy.position(block, depth)
                maps = [here]
                for line, written in enumerate(anatomy.lines(self.name, position, source)):
                    # a branch is added to what came in
                    if written.kind != "residual" or written.skip is not None:
                        here = self._after(anatomy, position, block, line, here, source, guessed)
                    maps.append(here)
                last = runs[-1] if runs else None
                if last and (last.position, last.maps) == (position, tuple(maps)):
                    runs[-1] = _Run(position, last.maps, last.start, last.count + 1)
                else:
                    runs.append(_Run(position, tuple(maps), block, 1))
            return _Profile(tuple(runs), here, frozenset(guessed))

        return anatomy.once(("profile", self.name, depth, x, self._open), probe, work)

    @property
    def _open(self) -> frozenset[Key]:
        return self.known.open[self.name]

    def _after(
        self,
        anatomy: Anatomy,
        position: tuple[bool, bool],
        block: int,
        line: int,
        x: FeatureMap,
        source: Source,
        guessed: set[Key],
    ) -> FeatureMap:
        """The map after a line. What the line chooses is not asked: it is as in the base, and noted in `guessed`."""
        witness = Witness(source, self._open, anatomy.stand_in)
        try:
            return anatomy.line(self.name, position, block, line, x, witness).y
        except Refusal:
            # the choices of the line itself are the likelier reason, those of earlier ones come next
            if witness.guessed or guessed:
                raise Coupled(self.name, witness.guessed or guessed) from None
            raise
        finally:
            guessed |= witness.guessed

    def _deepen(self, depth: int) -> None:
        depths = self.known.depths
        if depth > depths[self.name]:
            depths[self.name] = depth
            if sum(depths.values()) > limits.BLOCKS and not self.known.bounded:
                raise Deep

    def _in_run(self, anatomy: Anatomy, line: int, run: _Run, profile: _Profile, probe: Probe) -> Costs:
        """What a line costs in the blocks of a run, in each phase of what it alternates between."""
        x, expected = run.maps[line], run.maps[line + 1]
        period = 1
        phases: list[Costs] = []
        while len(phases) < min(period, run.count):
            block = run.start + len(phases)
            try:
                made = anatomy.line(self.name, run.position, block, line, x, probe)
            except Refusal:
                # it may have been given a map that is not the one of this point
                if profile.guessed:
                    raise Coupled(self.name, profile.guessed) from None
                raise
            if made.y != expected:
                raise Coupled(self.name, self._reason(anatomy, line, run, block, profile, probe))
            period = lcm(period, made.period)
            phases.append(made.costs)
        total: Costs = (0,) * len(anatomy.quantities)
        for phase, costs in enumerate(phases):
            # how many blocks of the run are in this phase
            times = (run.count - phase - 1) // period + 1
            total = added(total, tuple(times * cost for cost in costs))
        return total

    def _reason(self, anatomy: Anatomy, line: int, run: _Run, block: int, profile: _Profile, probe: Probe) -> frozenset[Key]:
        """The decisions that make the map after a line another one than it was taken to be; one of them if that is enough."""
        base = anatomy.stand_in
        differ = frozenset(key for key in profile.guessed if probe.read.get(key, base[key]) != base[key])
        for key in sorted(differ, key=list(base).index):
            others = Probe(probe.settled, probe.first, probe.chosen)
            for known in probe.read:
                if known not in differ:
                    others[known]
            witness = Witness(others, self._open | {key}, base)
            try:
                made = anatomy.line(self.name, run.position, block, line, run.maps[line], witness)
            except Refusal:
                continue
            if made.y != run.maps[line + 1]:
                return frozenset([key])
        return differ
