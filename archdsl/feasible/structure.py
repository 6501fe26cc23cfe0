"""The counting structure of a space: its pieces one after the other, the states between them, and the ways from state to state.

A piece is a part of the network, or a rule, that is looked at on its own. A state has what later pieces need to know of the
earlier ones: decisions that both read, and maps. A way has the decisions that a piece reads first, and what it costs.
A spec of the space is a path of ways; what it costs is the sum along it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from math import prod
from typing import cast

from archdsl.feasible.anatomy import Anatomy, Costs, Quantity, Refusal, added
from archdsl.feasible.learned import Learned, Rewired
from archdsl.feasible.pieces import Output, Piece, Pieces
from archdsl.feasible.trace import Answer, Key, Missing, Probe, Settled, ways
from archdsl.ir.evaluate import DomainKey
from archdsl.ir.override import resized
from archdsl.ir.reach import evaluated
from archdsl.ir.resolve import resolve
from archdsl.ir.shapes import place
from archdsl.ir.space import Budget, Space
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.record import dataclass, replace

# what later pieces know, in the order of the layer's keys; None for what was not asked
State = tuple[Answer | None, ...]
Assignment = tuple[tuple[Key, Answer], ...]

# a space beyond these is refused: its decisions depend on each other through too many places
_STATES = 20_000
WAYS = 200_000


@dataclass(frozen=True, slots=True)
class Bound:
    """What a budget counts: a quantity, by a rule, at a size (None: the space's own input)."""

    quantity: str
    rule: str
    at: Size | None


@dataclass(frozen=True, slots=True)
class Group:
    """The ways of a piece that cost the same and lead to the same state: for each, the decisions that it settles."""

    step: int
    costs: Costs
    assignments: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The ways through a piece, for all states that agree in what it reads. `steps` are what they add to a state."""

    steps: tuple[tuple[tuple[int, Answer | None], ...], ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A piece with the states before it: for each its table, and the state after each of the table's steps."""

    piece: Piece
    tables: tuple[Table, ...]
    states: tuple[tuple[int, tuple[int, ...]], ...]


class TooLarge(Exception):
    """A space whose pieces depend on each other through more than can be held. `keys` are the decisions read most widely."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        super().__init__()


class _Again(Exception):
    """Something was learned about what pieces read: the structure is made anew, from what was kept."""


class Structure:
    """The layers of a space. `bounds` are the quantities that its ways count, in the order of their costs.

    Raises `TooLarge` where that takes more than `most` ways to look at, and `Reported` where the base cannot be built at the
    size of a budget, which goes to `report`.
    """

    def __init__(self, space: Space, report: Report, *, most: int = WAYS) -> None:
        self.space = space
        self._most = most
        self._left = most
        self.bounds = tuple(dict.fromkeys(Bound(b.quantity, b.rule, _at(b.at, space)) for b in space.budgets))
        self.values: dict[Key, tuple[int | Fraction, ...]] = {decision.key: decision.values for decision in space.decisions}
        self.first: dict[Key, Answer] = {
            key: space.base_point.get(_domain(key), values[0]) for key, values in self.values.items()
        }
        self.pieces = Pieces(space, self._anatomies(report))
        # the costs come image by image; a bound finds its own among them
        order = [Bound(q.name, q.rule, at) for at, anatomy in self.pieces.anatomies.items() for q in anatomy.quantities]
        self._order = tuple(order.index(bound) for bound in self.bounds)
        self._reads: defaultdict[str, set[Key]] = defaultdict(set)
        # the names of maps that ways through a piece were seen to read
        self._wired: defaultdict[str, list[AbstractSet[Key]]] = defaultdict(list)
        self._values: AbstractSet[Key] = {"", *self.pieces.wiring.order}
        self.layers = self._compiled()

    def _anatomies(self, report: Report) -> dict[Size | None, Anatomy]:
        """The anatomy of the model at each size that a budget names."""
        space = self.space
        reached = frozenset({"", *evaluated(space.base_network)})
        found = {}
        sizes = dict.fromkeys([None, *(bound.at for bound in self.bounds)])
        for index, at in enumerate(sizes):
            told = Report()
            model = resized(space.model, at, told) if at else space.model
            arch = resolve(model, told, space.base_point)
            if arch is None or place(arch, told, advise=False) is None:
                budget = next(budget for budget in space.budgets if budget.at == at)
                note = Note(f"the base has to fit {at} as well: this budget counts there", budget.span)
                for diagnostic in told.errors:
                    report.add(replace(diagnostic, notes=(*diagnostic.notes, note)))
                raise Reported
            here = [Quantity(bound.quantity, bound.rule) for bound in self.bounds if bound.at == at]
            found[at] = Anatomy(model, arch, index, here, reached, self.first)
        return found

    def place(self, budget: Budget) -> int:
        """Where the costs have what a budget bounds."""
        return self.bounds.index(Bound(budget.quantity, budget.rule, _at(budget.at, self.space)))

    def costs(self, point: Mapping[DomainKey, int | Fraction]) -> Costs | None:
        """What a point costs of each bound; None if it cannot be built, or breaks a `require`."""
        settled = dict(self.first)
        settled.update(cast("Settled", point))
        total = (0,) * len(self._order)
        for layer in self.layers:
            try:
                costs, outputs = layer.piece.run(Probe(settled, self.first))
            except (Refusal, Missing):
                return None
            settled.update(outputs)
            total = added(total, tuple(costs[place] for place in self._order))
        return total

    # --- compiling ----------------------------------------------------------------------------------------------

    def _compiled(self) -> tuple[Layer, ...]:
        learned = False
        while True:
            try:
                if not learned:
                    self._learn()
                    learned = True
                return self._made()
            except _Again:
                continue
            except Learned as found:
                self.pieces.learn(found)

    def _learn(self) -> None:
        """What each piece reads around the base, one decision changed at a time: the first guess of what they share."""
        settled: dict[Key, Answer] = {}
        for piece in self.pieces.all():
            reads = self._reads[piece.name]
            made: Output = {}
            waiting: list[dict[Key, Answer]] = [{}]
            tried: set[tuple[Key, Answer]] = set()
            while waiting:
                chosen = waiting.pop()
                probe = Probe(settled, self.first, chosen)
                try:
                    _, outputs = piece.run(probe)
                except Refusal:
                    outputs = {}
                except Missing as missing:
                    if not self.pieces.wiring.circular(piece.stage, str(missing.key)) and self._moved(piece, missing.key):
                        raise _Again from None
                    # the circle, or what makes it, could not be built here
                    outputs = {}
                reads.update(probe.read)
                free = [key for key in probe.read if key not in settled and key not in chosen]
                if not chosen:
                    made = outputs
                    # what one way reads is read in all combinations
                    if prod(len(self.values[key]) for key in free) > self._most:
                        raise TooLarge(sorted(free, key=lambda key: -len(self.values[key])))
                for key in free:
                    for other in self.values[key]:
                        if other != probe.read[key] and (key, other) not in tried:
                            tried.add((key, other))
                            waiting.append({**chosen, key: other})
            settled.update(made)

    def _moved(self, piece: Piece, key: Key) -> bool:
        """Let what a piece belongs to come behind the map that it lacks, if it does not already."""
        return self.pieces.wiring.move(piece.stage, str(key))

    def _made(self) -> tuple[Layer, ...]:
        pieces = self._ordered()
        live = self._live(pieces)
        before: tuple[Key, ...] = ()
        states: dict[State, int] = {(): 0}
        layers = []
        for index, piece in enumerate(pieces):
            after = live[index + 1]
            known: dict[State, int] = {}
            tables: list[Table] = []
            reads = self._reads[piece.name]
            relevant = [place for place, key in enumerate(before) if key in reads]
            kept = [(place, after.index(key)) for place, key in enumerate(before) if key in after]
            following: dict[State, int] = {}
            rows = []
            for state in states:
                seen = tuple(state[place] for place in relevant)
                number = known.get(seen)
                if number is None:
                    settled = {key: answer for key, answer in zip(before, state, strict=True) if answer is not None}
                    tables.append(self._table(piece, settled, before, after))
                    number = known[seen] = len(tables) - 1
                ids = []
                for step in tables[number].steps:
                    ids.append(following.setdefault(_stepped(state, kept, step, len(after)), len(following)))
                rows.append((number, tuple(ids)))
                if len(following) > _STATES:
                    raise TooLarge(self._widest(pieces))
            layers.append(Layer(piece, tuple(tables), tuple(rows)))
            before, states = after, following
        return tuple(layers)

    def _table(self, piece: Piece, settled: Mapping[Key, Answer], before: Sequence[Key], after: Sequence[Key]) -> Table:
        reads = self._reads[piece.name]
        places = {key: place for place, key in enumerate(after)}
        steps: dict[tuple[tuple[int, Answer | None], ...], int] = {}
        groups: dict[tuple[int, Costs], list[Assignment]] = {}

        def run(probe: Probe) -> tuple[Costs, Output] | None:
            try:
                return piece.run(probe)
            except Refusal:
                return None
            except Missing as missing:
                if self.pieces.wiring.circular(piece.stage, str(missing.key)):
                    return None
                raise

        try:
            for free, read, result in ways(run, settled, self.first, self.values):
                self._left -= 1
                if self._left < 0:
                    raise TooLarge(self._widest(self.pieces.all()))
                if not reads.issuperset(read):
                    # all states with what was newly found to be read have to be kept apart
                    reads.update(read)
                    raise _Again
                if result is None:
                    continue
                self._check_wires(piece, settled, free, read)
                costs, outputs = result
                new: dict[Key, Answer] = dict(free)
                new.update(cast("Settled", outputs))
                step = tuple((places[key], answer) for key, answer in new.items() if key in places)
                number = steps.setdefault(step, len(steps))
                groups.setdefault((number, tuple(costs[place] for place in self._order)), []).append(tuple(free.items()))
        except Missing as missing:
            if missing.key in reads and not self._moved(piece, missing.key):
                raise TooLarge(self._widest(self.pieces.all())) from None
            reads.add(missing.key)
            raise _Again from None
        return Table(tuple(steps), tuple(Group(step, costs, tuple(all)) for (step, costs), all in groups.items()))

    def _check_wires(self, piece: Piece, settled: Settled, free: Settled, read: Settled) -> None:
        """Learn of a piece that reads other values than in the base, unless that is known."""
        if piece.reads is None or piece.name in self.pieces.known.rewired:
            return
        names = read.keys() & self._values
        if names not in self._wired[piece.name]:
            self._wired[piece.name].append(names)
            if piece.reads(Probe(settled, self.first, free)) != piece.reads(Probe({}, self.first)):
                raise Rewired(piece.name)

    def _ordered(self) -> list[Piece]:
        """The pieces of the network, and each rule before the piece that reads the last of what it reads.

        The rule settles that last decision, so that the others need not be known any longer.
        """
        order = self.pieces.network()
        for rule in self.pieces.rules():
            reads = self._reads[rule.name]
            last = 0
            for key in reads:
                readers = [place for place, piece in enumerate(order) if key in self._reads[piece.name]]
                last = max(last, readers[0] if readers else 0)
            order.insert(last, rule)
        return order

    def _live(self, pieces: Sequence[Piece]) -> list[tuple[Key, ...]]:
        """What is known before each piece, and after the last: what was read or made before and is read later."""
        seen: list[dict[Key, None]] = [{}]
        for piece in pieces:
            seen.append({**seen[-1], **dict.fromkeys(self._reads[piece.name]), **dict.fromkeys(piece.makes)})
        needed: set[Key] = set()
        live: list[tuple[Key, ...]] = [()]
        for piece, here in zip(reversed(pieces), reversed(seen[:-1]), strict=True):
            needed |= self._reads[piece.name]
            live.append(tuple(key for key in here if key in needed))
        return live[::-1]

    def _widest(self, pieces: Sequence[Piece]) -> list[Key]:
        """The decisions with many values that many pieces read, the widest first."""
        weight: dict[Key, int] = {}
        for piece in pieces:
            for key in self._reads[piece.name]:
                if key in self.values:
                    weight[key] = weight.get(key, 0) + len(self.values[key])
        return sorted(weight, key=lambda key: -weight[key])

    def paths(self) -> int:
        """How many points can be built and keep `require`."""
        after = [1] * self._last()
        for layer in reversed(self.layers):
            here = []
            for number, following in layer.states:
                groups = layer.tables[number].groups
                here.append(sum(len(group.assignments) * after[following[group.step]] for group in groups))
            after = here
        return after[0]

    # --- the least and the most ---------------------------------------------------------------------------------

    def extremes(self, bound: int, best: Callable[[int, int], int]) -> list[list[int | None]]:
        """For one of the bounds, the least (`best=min`) or most that is still to come from each state of each layer."""
        after: list[int | None] = [0] * self._last()
        found = [after]
        for layer in reversed(self.layers):
            here: list[int | None] = []
            for number, following in layer.states:
                value: int | None = None
                for group in layer.tables[number].groups:
                    rest = after[following[group.step]]
                    if rest is not None:
                        total = group.costs[bound] + rest
                        value = total if value is None else best(value, total)
                here.append(value)
            found.append(here)
            after = here
        return found[::-1]

    def _last(self) -> int:
        return 1 + max((step for _, following in self.layers[-1].states for step in following), default=0)


def _stepped(state: State, kept: Sequence[tuple[int, int]], step: Sequence[tuple[int, Answer | None]], length: int) -> State:
    after: list[Answer | None] = [None] * length
    for old, new in kept:
        after[new] = state[old]
    for added_at, answer in step:
        after[added_at] = answer
    return tuple(after)


def _at(at: Size | None, space: Space) -> Size | None:
    return None if at == space.base_network.image.size else at


def _domain(key: Key) -> DomainKey:
    assert not isinstance(key, str)
    return key
