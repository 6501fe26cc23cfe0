"""The pieces of a space in their order: what each costs and makes at a point, all images together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from archdsl.feasible.anatomy import Anatomy, Costs, Made, Refusal, added
from archdsl.feasible.learned import Known, Learned, Rewired
from archdsl.feasible.stage_pieces import StagePieces
from archdsl.feasible.trace import GRAPH, Answer, Probe
from archdsl.feasible.wiring import Wiring
from archdsl.ir.evaluate import Context, Env
from archdsl.ir.require import comparisons, holds
from archdsl.ir.space import Space
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.record import dataclass
from archdsl.source.text import Span

Output = Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece. `stage` is the part of the network that it belongs to, `makes` the values whose maps it gives."""

    name: str
    stage: str
    span: Span
    run: Callable[[Probe], tuple[Costs, Output]]
    makes: tuple[str, ...] = ()
    # the values that it reads at a point, found without their maps
    reads: Callable[[Probe], frozenset[str]] | None = None


class Pieces:
    """The pieces of a space. `anatomies` has its model at each size, None for its own input."""

    def __init__(self, space: Space, anatomies: Mapping[Size | None, Anatomy]) -> None:
        self.space = space
        self.model = space.model
        self.anatomies = dict(anatomies)
        self.known = Known(self._own.arch)
        self.wiring = Wiring(space, self._own)
        self._stages = {name: StagePieces(name, self.anatomies, self.known) for name in self.model.stages}

    def learn(self, learned: Learned) -> None:
        """Take note of what the pieces turned out to be."""
        self.known.learn(learned)
        if isinstance(learned, Rewired):
            # what was counted of values took the base's word for which are reached
            for anatomy in self.anatomies.values():
                anatomy.rewire()

    def all(self) -> list[Piece]:
        """Those of the network, then the rules."""
        return [*self.network(), *self.rules()]

    def network(self) -> list[Piece]:
        """The pieces of the network, in an order in which each comes after all that it reads."""
        model, wiring = self.model, self.wiring
        found = [Piece(f"{name}.rules", name, place.span, partial(self._rules, name)) for name, place in model.stages.items()]
        found.append(Piece("stem", "stem", model.span, self._stem, ("",)))
        for name in wiring.order:
            if name not in model.stages:
                reads = partial(wiring.value, name)
                found.append(Piece(name, name, self._span(name), partial(self._value, name), (name,), reads))
                continue
            span = model.stages[name].span
            found.append(Piece(f"{name}.maps", name, span, partial(self._maps, name), (name,), partial(wiring.around, name)))
            for line in range(self.known.lines[name]):
                reads = partial(wiring.line, name, line)
                found.append(Piece(f"{name}.{line}", name, span, partial(self._line, name, line), (), reads))
        found.append(Piece("logits", "logits", model.span, self._logits, (), wiring.logits))
        if self.known.rewired:
            found.insert(0, Piece("graph", "graph", model.span, partial(self._graph, found), (GRAPH,)))
        return found

    def rules(self) -> list[Piece]:
        """One piece for each comparison of `require`."""
        pairs = [(line, pair) for line in self.model.requires for pair in comparisons(line)]
        found = [
            Piece(f"require.{index}", "require", line.span, partial(self._require, pair))
            for index, (line, pair) in enumerate(pairs)
        ]
        if self.known.bounded:
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

    def _maps(self, stage: str, probe: Probe) -> tuple[Costs, Output]:
        return self._summed(self._stages[stage].maps(probe), stage)

    def _line(self, stage: str, line: int, probe: Probe) -> tuple[Costs, Output]:
        return self._stages[stage].line(line, probe), {}

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
            if piece.reads is not None:
                found = piece.reads(probe if piece.name in self.known.rewired else base)
                reads.setdefault(piece.stage, set()).update(found)
        reached, waiting = {"", *reads["logits"]}, [*reads["logits"]]
        while waiting:
            new = reads.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        return self._free(), {GRAPH: frozenset(reached)}
