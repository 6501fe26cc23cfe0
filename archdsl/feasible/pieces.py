"""The pieces of a space in their order: what each costs and makes at a point, all images together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import lcm

from archdsl.feasible.anatomy import Anatomy, Costs, Made, Refusal, added
from archdsl.feasible.trace import GRAPH, Answer, Key, Probe, Source
from archdsl.ir import graph
from archdsl.ir.evaluate import Context, Env
from archdsl.ir.reach import sources
from archdsl.ir.require import comparisons, holds
from archdsl.ir.space import Space
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.record import dataclass, replace
from archdsl.source.text import Span

Maps = tuple[FeatureMap, ...]
Output = Mapping[str, Answer]


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


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece. `stage` is the part of the network that it belongs to, `makes` the values whose maps it gives."""

    name: str
    stage: str
    span: Span
    run: Callable[[Probe], tuple[Costs, Output]]
    makes: tuple[str, ...] = ()
    # the values that it reads at a point, found without their maps
    wires: Callable[[Probe], frozenset[str]] | None = None


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


class Pieces:
    """The pieces of a space. `anatomies` has its model at each size, None for its own input."""

    def __init__(self, space: Space, anatomies: Mapping[Size | None, Anatomy]) -> None:
        self.space = space
        self.model = space.model
        self.anatomies = dict(anatomies)
        own = self._own.arch
        self.order = graph.order(own, graph.given(own), Report())
        self._needs = {name: set(sources(space.base_network, name)) - {""} for name in self.order}
        # decisions of a stage on which the maps inside it depend
        self.open: dict[str, frozenset[Key]] = dict.fromkeys(self.model.stages, frozenset())
        self.lines = {stage.name: max(len(block.lines) for block in stage.blocks) for stage in own.stages}
        self.rewired: dict[str, None] = {}
        # the most blocks that each stage was met with
        self.depths = {stage.name: len(stage.blocks) for stage in own.stages}
        self.bounded = False

    def learn(self, learned: Learned) -> None:
        """Take note of what the pieces turned out to be."""
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
                self.rewired[learned.piece] = None
                # what was counted of values took the base's word for which are reached
                for anatomy in self.anatomies.values():
                    anatomy.rewire()

    def move(self, name: str, behind: str) -> bool:
        """Let a value come behind another one that it reads at some points. False if that makes a circle, or was so before."""
        needs = self._needs.get(name)
        if needs is None or behind in needs:
            return False
        needs.add(behind)
        left, found = list(self.order), list[str]()
        while left:
            following = next((value for value in left if not self._needs[value] & set(left)), None)
            if following is None:
                return False
            found.append(following)
            left.remove(following)
        self.order = found
        return True

    def all(self) -> list[Piece]:
        """Those of the network, then the rules."""
        return [*self.network(), *self.rules()]

    def network(self) -> list[Piece]:
        """The pieces of the network, in an order in which each comes after all that it reads."""
        model, own = self.model, self._own
        found = [Piece(f"{name}.rules", name, place.span, partial(self._rules, name)) for name, place in model.stages.items()]
        found.append(Piece("stem", "stem", model.span, self._stem, ("",)))
        for name in self.order:
            if name not in model.stages:
                wires = partial(own.read_by_value, name)
                found.append(Piece(name, name, self._span(name), partial(self._value, name), (name,), wires))
                continue
            span, wires = model.stages[name].span, partial(self._wires, name)
            found.append(Piece(f"{name}.maps", name, span, partial(self._stage, name), (name,), wires))
            for line in range(self.lines[name]):
                wires = partial(own.read_by_line, name, line)
                found.append(Piece(f"{name}.{line}", name, span, partial(self._line, name, line), (), wires))
        found.append(Piece("logits", "logits", model.span, self._logits, (), own.read_by_logits))
        if self.rewired:
            found.insert(0, Piece("graph", "graph", model.span, partial(self._graph, found), (GRAPH,)))
        return found

    def rules(self) -> list[Piece]:
        """One piece for each comparison of `require`."""
        pairs = [(line, pair) for line in self.model.requires for pair in comparisons(line)]
        found = [
            Piece(f"require.{index}", "require", line.span, partial(self._require, pair))
            for index, (line, pair) in enumerate(pairs)
        ]
        if self.bounded:
            found.append(Piece("blocks", "blocks", self.model.span, self._blocks))
        return found

    def _span(self, name: str) -> Span:
        if name in self.model.nodes:
            return self.model.nodes[name].span
        return self.model.heads[name if name in self.model.heads else ""].span

    # --- each piece ---------------------------------------------------------------------------------------------

    def _summed(self, made: Iterable[Iterable[Made]], name: str | None) -> tuple[Costs, Output]:
        """Costs image by image; the map of the last part goes out."""
        costs: list[int] = []
        maps: list[FeatureMap] = []
        for anatomy, parts in zip(self.anatomies.values(), made, strict=True):
            total: Costs = (0,) * len(anatomy.quantities)
            for part in parts:
                total, y = added(total, part.costs), part.y
            costs += total
            maps.append(y)
        return tuple(costs), {} if name is None else {name: tuple(maps)}

    def _free(self) -> Costs:
        return (0,) * sum(len(anatomy.quantities) for anatomy in self.anatomies.values())

    def _stem(self, probe: Probe) -> tuple[Costs, Output]:
        return self._summed([[anatomy.stem(probe)] for anatomy in self.anatomies.values()], "")

    def _value(self, name: str, probe: Probe) -> tuple[Costs, Output]:
        return self._summed([[anatomy.value(name, probe)] for anatomy in self.anatomies.values()], name)

    def _logits(self, probe: Probe) -> tuple[Costs, Output]:
        return self._summed([[anatomy.logits(probe)] for anatomy in self.anatomies.values()], None)

    def _rules(self, stage: str, probe: Probe) -> tuple[Costs, Output]:
        self._own.rules(stage, probe)
        return self._free(), {}

    def _require(self, pair: tuple[object, str, object], probe: Probe) -> tuple[Costs, Output]:
        env = Env(Context(self.model, Report(), probe), (self.model.place,), "`require`", self.model.span)  # type: ignore[arg-type]
        try:
            kept = holds(pair, lambda stage, name: self._own.number(stage, name, probe), env)  # type: ignore[arg-type]
        except Reported:
            kept = False
        if not kept:
            raise Refusal
        return self._free(), {}

    def _blocks(self, probe: Probe) -> tuple[Costs, Output]:
        """The blocks of all stages, which are bounded."""
        if sum(self._own.number(stage, "depth", probe) or 0 for stage in self.model.stages) > limits.BLOCKS:
            raise Refusal
        return self._free(), {}

    @property
    def _own(self) -> Anatomy:
        return self.anatomies[None]

    # --- the graph ----------------------------------------------------------------------------------------------

    def _graph(self, pieces: Sequence[Piece], probe: Probe) -> tuple[Costs, Output]:
        """What evaluation reaches: of pieces that read the same values everywhere, the base tells which."""
        reads: dict[str, set[str]] = {}
        base = Probe(self._own.stand_in, {})
        for piece in pieces:
            if piece.wires is not None:
                found = piece.wires(probe if piece.name in self.rewired else base)
                reads.setdefault(piece.stage, set()).update(found)
        reached, waiting = {"", *reads["logits"]}, [*reads["logits"]]
        while waiting:
            new = reads.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        return self._free(), {GRAPH: frozenset(reached)}

    def _wires(self, name: str, probe: Probe) -> frozenset[str]:
        return self._own.read_by_entrance(name, probe) | self._own.read_by_tail(name, probe)

    # --- stages -------------------------------------------------------------------------------------------------

    def _stage(self, name: str, probe: Probe) -> tuple[Costs, Output]:
        """What comes before and after the blocks of a stage, and the map it makes."""
        made = []
        dim = self._own.number(name, "dim", probe)
        for anatomy in self.anatomies.values():
            entrance = anatomy.entrance(name, probe)
            profile = self._profile(anatomy, name, entrance.y, probe)
            try:
                # a last block may end wider: one that has the channels is enough
                if dim is not None and all(run.maps[-1].channels != dim for run in profile.runs):
                    raise Refusal
                tail = anatomy.tail(name, profile.y, probe)
            except Refusal:
                if profile.guessed:
                    raise Coupled(name, profile.guessed) from None
                raise
            made.append([entrance, tail])
        return self._summed(made, name)

    def _profile(self, anatomy: Anatomy, name: str, x: FeatureMap, probe: Probe) -> _Profile:
        """The maps along a stage, as they are whatever its lines choose: that is compared in each line."""
        depth = self._own.number(name, "depth", probe)
        assert depth is not None
        self._deepen(name, depth)

        def work(source: Source) -> _Profile:
            here = x
            runs: list[_Run] = []
            guessed: set[Key] = set()
            for block in range(depth):
                position = anatomy.position(block, depth)
                maps = [here]
                for line, written in enumerate(anatomy.lines(name, position, source)):
                    # a branch is added to what came in
                    if written.kind != "residual" or written.skip is not None:
                        here = self._after(anatomy, name, position, block, line, here, source, guessed)
                    maps.append(here)
                last = runs[-1] if runs else None
                if last and (last.position, last.maps) == (position, tuple(maps)):
                    runs[-1] = replace(last, count=last.count + 1)
                else:
                    runs.append(_Run(position, tuple(maps), block, 1))
            return _Profile(tuple(runs), here, frozenset(guessed))

        return anatomy.once(("profile", name, depth, x, self.open[name]), probe, work)

    def _after(
        self,
        anatomy: Anatomy,
        name: str,
        position: tuple[bool, bool],
        block: int,
        line: int,
        x: FeatureMap,
        source: Source,
        guessed: set[Key],
    ) -> FeatureMap:
        """The map after a line. What the line chooses is not asked: it is as in the base, and noted in `guessed`."""
        witness = anatomy.witness(source, self.open[name])
        try:
            return anatomy.line(name, position, block, line, x, witness).y
        except Refusal:
            # the choices of the line itself are the likelier reason, those of earlier ones come next
            if witness.guessed or guessed:
                raise Coupled(name, witness.guessed or guessed) from None
            raise
        finally:
            guessed |= witness.guessed

    def _deepen(self, name: str, depth: int) -> None:
        if depth > self.depths[name]:
            self.depths[name] = depth
            if sum(self.depths.values()) > limits.BLOCKS and not self.bounded:
                raise Deep

    def _line(self, name: str, line: int, probe: Probe) -> tuple[Costs, Output]:
        """One line of the layout, in all blocks of a stage."""
        costs: list[int] = []
        for anatomy in self.anatomies.values():
            entrance = anatomy.entrance(name, probe)
            profile = self._profile(anatomy, name, entrance.y, probe)
            total: Costs = (0,) * len(anatomy.quantities)
            for run in profile.runs:
                lines = len(run.maps) - 1
                if lines > self.lines[name]:
                    raise More(name, lines)
                if line < lines:
                    total = added(total, self._in_run(anatomy, name, line, run, profile, probe))
            costs += total
        return tuple(costs), {}

    def _in_run(self, anatomy: Anatomy, name: str, line: int, run: _Run, profile: _Profile, probe: Probe) -> Costs:
        """What a line costs in the blocks of a run, in each phase of what it alternates between."""
        x, expected = run.maps[line], run.maps[line + 1]
        period = 1
        phases: list[Costs] = []
        while len(phases) < min(period, run.count):
            block = run.start + len(phases)
            try:
                made = anatomy.line(name, run.position, block, line, x, probe)
            except Refusal:
                # it may have been given a map that is not the one of this point
                if profile.guessed:
                    raise Coupled(name, profile.guessed) from None
                raise
            if made.y != expected:
                raise Coupled(name, self._reason(anatomy, name, line, run, block, profile, probe))
            period = lcm(period, made.period)
            phases.append(made.costs)
        total: Costs = (0,) * len(anatomy.quantities)
        for phase, costs in enumerate(phases):
            # how many blocks of the run are in this phase
            times = (run.count - phase - 1) // period + 1
            total = added(total, tuple(times * cost for cost in costs))
        return total

    def _reason(
        self, anatomy: Anatomy, name: str, line: int, run: _Run, block: int, profile: _Profile, probe: Probe
    ) -> frozenset[Key]:
        """The decisions that make the map after a line another one than it was taken to be; one of them if that is enough."""
        base = anatomy.stand_in
        differ = frozenset(key for key in profile.guessed if probe.read.get(key, base[key]) != base[key])
        for key in sorted(differ, key=list(base).index):
            others = Probe(probe.settled, probe.first, probe.chosen)
            for known in probe.read:
                if known not in differ:
                    others[known]
            witness = anatomy.witness(others, self.open[name] | {key})
            try:
                made = anatomy.line(name, run.position, block, line, run.maps[line], witness)
            except Refusal:
                continue
            if made.y != run.maps[line + 1]:
                return frozenset([key])
        return differ
