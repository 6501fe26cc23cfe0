"""The pieces of a space in their order: what each costs and makes at a point, all images together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from archdsl.feasible.anatomy import Anatomy, Costs, Made, Refusal, added
from archdsl.feasible.trace import Key, Probe, Source
from archdsl.ir import graph
from archdsl.ir.evaluate import Context, Env
from archdsl.ir.require import comparisons, holds
from archdsl.ir.space import Space
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.record import dataclass, replace
from archdsl.source.text import Span

Maps = tuple[FeatureMap, ...]
Output = Mapping[str, Maps]


class Coupled(Exception):
    """The map that leaves a line depends on decisions that were thought to be its own. They have to be known from the start."""

    def __init__(self, stage: str, keys: Iterable[Key]) -> None:
        self.stage = stage
        self.keys = frozenset(keys)
        super().__init__()


class More(Exception):
    """A layout of a stage has more lines than were met before."""

    def __init__(self, stage: str, lines: int) -> None:
        self.stage = stage
        self.lines = lines
        super().__init__()


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece. `stage` is the part of the network that it belongs to, `makes` the values whose maps it gives."""

    name: str
    stage: str
    span: Span
    run: Callable[[Probe], tuple[Costs, Output]]
    makes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """Blocks one after the other whose maps are the same: what comes into each line, and what leaves the last."""

    position: tuple[bool, bool]
    maps: Maps
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class _Profile:
    """The maps along the blocks of a stage, and the one that leaves it."""

    runs: tuple[_Run, ...]
    y: FeatureMap


class Pieces:
    """The pieces of a space. `anatomies` has its model at each size, None for its own input."""

    def __init__(self, space: Space, anatomies: Mapping[Size | None, Anatomy]) -> None:
        self.space = space
        self.model = space.model
        self.anatomies = dict(anatomies)
        own = self.anatomies[None].arch
        self.given = graph.given(own)
        self.order = graph.order(own, self.given, Report())
        # decisions of a stage on which the maps inside it depend
        self.open: dict[str, frozenset[Key]] = dict.fromkeys(self.model.stages, frozenset())
        self.lines = {stage.name: max(len(block.lines) for block in stage.blocks) for stage in own.stages}

    def learn(self, learned: Coupled | More) -> None:
        """Take note of what the pieces turned out to depend on."""
        if isinstance(learned, More):
            self.lines[learned.stage] = learned.lines
            return
        known = self.open[learned.stage]
        # otherwise nothing new was learned, and the same would be met for ever
        assert not learned.keys <= known, f"the maps of `{learned.stage}` differ for no reason"
        self.open[learned.stage] = known | learned.keys

    def all(self) -> list[Piece]:
        """Those of the network, then the rules."""
        return [*self.network(), *self.rules()]

    def network(self) -> list[Piece]:
        """The pieces of the network, in an order in which each comes after all that it reads."""
        model = self.model
        found = [Piece(f"{name}.rules", name, place.span, partial(self._rules, name)) for name, place in model.stages.items()]
        found.append(Piece("stem", "stem", model.span, self._stem, ("",)))
        for name in self.order:
            if name not in model.stages:
                found.append(Piece(name, name, self._span(name), partial(self._value, name), (name,)))
                continue
            span = model.stages[name].span
            found.append(Piece(f"{name}.maps", name, span, partial(self._stage, name), (name,)))
            for line in range(self.lines[name]):
                found.append(Piece(f"{name}.{line}", name, span, partial(self._line, name, line)))
        found.append(Piece("logits", "logits", model.span, self._logits))
        return found

    def rules(self) -> list[Piece]:
        """One piece for each comparison of `require`."""
        pairs = [(line, pair) for line in self.model.requires for pair in comparisons(line)]
        return [
            Piece(f"require.{index}", "require", line.span, partial(self._require, pair))
            for index, (line, pair) in enumerate(pairs)
        ]

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
        reads = self.given[name]
        return self._summed([[anatomy.value(name, reads, probe)] for anatomy in self.anatomies.values()], name)

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

    @property
    def _own(self) -> Anatomy:
        return self.anatomies[None]

    # --- stages -------------------------------------------------------------------------------------------------

    def _stage(self, name: str, probe: Probe) -> tuple[Costs, Output]:
        """What comes before and after the blocks of a stage, and the map it makes."""
        made = []
        dim = self._own.number(name, "dim", probe)
        for anatomy in self.anatomies.values():
            entrance = self._entrance(anatomy, name, probe)
            profile = self._profile(anatomy, name, entrance.y, probe)
            if dim is not None and all(run.maps[-1].channels != dim for run in profile.runs):
                raise Refusal
            tail = anatomy.tail(name, profile.y, probe)
            made.append([entrance, tail])
        return self._summed(made, name)

    def _entrance(self, anatomy: Anatomy, name: str, probe: Source) -> Made:
        maps = probe[self.given[name]]
        assert isinstance(maps, tuple)
        return anatomy.entrance(name, maps[anatomy.index], probe)

    def _profile(self, anatomy: Anatomy, name: str, x: FeatureMap, probe: Probe) -> _Profile:
        """The maps along a stage, as they are whatever its lines choose: that is compared in each line."""
        depth = self._own.number(name, "depth", probe)
        assert depth is not None

        def work(source: Source) -> _Profile:
            # what the lines choose is not asked: it is as in the base
            witness = anatomy.witness(source, self.open[name])
            here = x
            runs: list[_Run] = []
            for block in range(depth):
                position = anatomy.position(block, depth)
                maps = [here]
                for line, written in enumerate(anatomy.lines(name, position, source)):
                    # a branch is added to what came in
                    if written.kind != "residual" or written.skip is not None:
                        try:
                            here = anatomy.line(name, position, block, line, here, witness).y
                        except Refusal:
                            if witness.guessed:
                                raise Coupled(name, witness.guessed) from None
                            raise
                    maps.append(here)
                last = runs[-1] if runs else None
                if last and (last.position, last.maps) == (position, tuple(maps)):
                    runs[-1] = replace(last, count=last.count + 1)
                else:
                    runs.append(_Run(position, tuple(maps), block, 1))
            return _Profile(tuple(runs), here)

        return anatomy.once(("profile", name, depth, x, self.open[name]), probe, work)

    def _line(self, name: str, line: int, probe: Probe) -> tuple[Costs, Output]:
        """One line of the layout, in all blocks of a stage."""
        costs: list[int] = []
        for anatomy in self.anatomies.values():
            entrance = self._entrance(anatomy, name, probe)
            profile = self._profile(anatomy, name, entrance.y, probe)
            total: Costs = (0,) * len(anatomy.quantities)
            for run in profile.runs:
                lines = len(run.maps) - 1
                if lines > self.lines[name]:
                    raise More(name, lines)
                if line >= lines:
                    continue
                first = anatomy.line(name, run.position, run.start, line, run.maps[line], probe)
                for phase in range(min(first.period, run.count)):
                    block = run.start + phase
                    made = first if phase == 0 else anatomy.line(name, run.position, block, line, run.maps[line], probe)
                    if made.y != run.maps[line + 1]:
                        raise Coupled(name, [key for key in probe.read if not probe.known(key)])
                    # how many blocks of the run are in this phase
                    times = (run.count - phase - 1) // first.period + 1
                    total = added(total, tuple(times * cost for cost in made.costs))
            costs += total
        return tuple(costs), {}
