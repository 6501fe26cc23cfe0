"""The pieces of a space's network, each evaluated alone: what map it makes of which, and what that costs.

A point is asked for as little as each piece needs, so that pieces which read different decisions can be counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import lcm, prod
from typing import TypeVar

from archdsl.feasible.trace import GRAPH, Memo, Settled, Source
from archdsl.ir.evaluate import Env
from archdsl.ir.model import Model
from archdsl.ir.naming import has_state
from archdsl.ir.network import Placed, PlacedBlock, leaves
from archdsl.ir.part import (
    Arch,
    Chain,
    Concat,
    Fit,
    Leaf,
    Line,
    Part,
    Read,
    Resize,
    Split,
    Sum,
    first_reads,
    parts_of,
    walk_parts,
)
from archdsl.ir.resolve import Resolver
from archdsl.ir.rules import is_fused
from archdsl.ir.shapes import Placer
from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.schema.cost import Cost
from archdsl.schema.units import FeatureMap
from archdsl.source.diagnostic import Report, Reported, SpecError
from archdsl.source.record import dataclass, replace

T = TypeVar("T")
Costs = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What a piece makes: the map that goes out, and its costs in the order of the quantities."""

    y: FeatureMap
    costs: Costs
    period: int = 1


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is counted, by which rule."""

    name: str
    rule: str


class Refusal(Exception):
    """A piece that cannot be built."""


class _Maps:
    """The values that parts read by name, as a placer looks them up: each reading is told to the probe."""

    def __init__(self, probe: Source, image: int) -> None:
        self.probe = probe
        self.image = image

    def __getitem__(self, name: str) -> Made:
        maps = self.probe[name]
        assert isinstance(maps, tuple)
        return Made(maps[self.image], ())


class Anatomy:
    """The pieces of a model at one image. `index` is the place of the image's maps among those of all images.

    `reached` are the values that evaluation reaches; None where that depends on the point, and is asked for.
    """

    def __init__(
        self,
        model: Model,
        arch: Arch,
        index: int,
        quantities: Sequence[Quantity],
        reached: frozenset[str] | None,
        stand_in: Settled,
    ) -> None:
        self.model = model
        self.arch = arch
        self.index = index
        self.quantities = tuple(quantities)
        self.reached = reached
        self.stand_in = stand_in
        self.image = arch.image
        self._memos: dict[object, Memo[object]] = {}
        places = (model.default, *model.stages.values())
        self._positions = {which for place in places for which in place.positions}
        stages = list(model.stages)
        self._first = next(iter(stages), None)
        # what a stage is given where it names nothing itself; "" is the stem
        self._before = dict(zip(stages, ["", *stages], strict=False))

    def rewire(self) -> None:
        """Ask from now on what evaluation reaches."""
        self.reached = None
        self._memos.clear()

    # --- evaluating ---------------------------------------------------------------------------------------------

    def once(self, key: object, probe: Source, work: Callable[[Source], T]) -> T:
        """The result of a piece, computed once for each way through it; a refusal is kept as well."""
        memo = self._memos.get(key)
        if memo is None:
            memo = self._memos[key] = Memo()

        def tried(source: Source) -> T | Refusal:
            try:
                return work(source)
            except (Reported, Refusal, SpecError):
                return Refusal()

        found = memo(probe, tried)
        if isinstance(found, Refusal):
            raise found
        return found  # type: ignore[return-value]

    def resolver(self, probe: Source) -> Resolver:
        """The resolver of the model where a probe is asked."""
        return Resolver(self.model, Report(), probe, Work())  # type: ignore[arg-type]

    def stage(self, resolver: Resolver, name: str) -> Env:
        """The place of a stage."""
        return resolver.stages.env(self.model.stages[name])

    def _place(self, part: Part, x: FeatureMap, probe: Source, value: str) -> Made:
        placer = Placer(self.arch, Report(), Work())
        placer.values = _Maps(probe, self.index)  # type: ignore[assignment]
        placed = placer.part(part, x)
        forms: dict[bool, Sequence[Placed]] = {False: [placed]}
        if self._fuses:
            forms[True] = [placer.part(_fused(part), x)]
        return Made(placed.y, self._costs(forms, value, probe))

    @property
    def _fuses(self) -> bool:
        return any(is_fused(quantity.rule) for quantity in self.quantities)

    def _costs(self, forms: Mapping[bool, Sequence[Placed]], value: str, probe: Source) -> Costs:
        """What is counted of a value's parts; `forms` has them as trained, and merged where a rule asks for it."""
        if not self.quantities:
            return ()
        reached = self.reached
        if reached is None:
            reached = probe[GRAPH]  # type: ignore[assignment]
            assert isinstance(reached, frozenset)
        evaluated = value in reached
        return tuple(self._cost(forms[is_fused(quantity.rule)], quantity, evaluated=evaluated) for quantity in self.quantities)

    def _cost(self, placed: Sequence[Placed], quantity: Quantity, *, evaluated: bool) -> int:
        if quantity.name == "params":
            if quantity.rule == "deploy" and not evaluated:
                return 0
            return sum(
                prod(shape) for each in placed for _, leaf in leaves(each) for shape in leaf.leaf.weights(leaf.x).values()
            )
        if not evaluated:
            return 0
        cost = Cost.total(each.cost for each in placed)
        return sum(cost.ops.get(name, 0) for name in ("conv", "linear")) if quantity.rule == "conv_linear" else cost.flops

    # --- pieces around the stages -------------------------------------------------------------------------------

    def stem(self, probe: Source) -> Made:
        """The stem; the image where there is none."""

        def work(source: Source) -> Made:
            resolver = self.resolver(source)
            first = self.stage(resolver, self._first) if self._first else None
            part = resolver.section("stem", first)
            _check(resolver)
            if part and values_read([part]):
                raise Refusal
            return self._place(part, self.image, source, "") if part else Made(self.image, (0,) * len(self.quantities))

        return self.once("stem", probe, work)

    def value(self, name: str, probe: Source) -> Made:
        """A node or a head."""

        def work(source: Source) -> Made:
            part = self.value_part(name, source)
            begins = first_reads(part)
            # a node begins with what it reads; a head that does not is given the last stage
            given = begins[0].value if begins else next(reversed(self.model.stages))
            return self._place(part, _Maps(source, self.index)[given].y, source, name)

        return self.once(("value", name), probe, work)

    def value_part(self, name: str, probe: Source) -> Part:
        """What a node or a head is."""
        resolver = self.resolver(probe)
        node = self.model.nodes.get(name)
        if node is not None:
            part = resolver.node(node).part
        else:
            head = self.model.heads[name] if name in self.model.heads else self.model.heads[""]
            last = next(reversed(self.model.stages))
            part = resolver.head(name, head, self.stage(resolver, last)).part
        _check(resolver)
        return part

    def logits(self, probe: Source) -> Made:
        """What evaluation returns; refused where that is no vector or map of as many channels as there are classes."""

        def work(source: Source) -> Made:
            placer = Placer(self.arch, Report(), Work())
            placer.values = _Maps(source, self.index)  # type: ignore[assignment]
            placed = placer.part(self.resolver(source).logits(), self.image)
            y = placed.y
            if self.arch.classes not in (None, y.channels) or (y.tokens and y.positions > 1) or has_state(placed):
                raise Refusal
            uses = [quantity.name != "params" for quantity in self.quantities]
            costs = tuple(
                use * self._cost([placed], each, evaluated=True) for use, each in zip(uses, self.quantities, strict=True)
            )
            return Made(y, costs)

        return self.once("logits", probe, work)

    # --- stages -------------------------------------------------------------------------------------------------

    def rules(self, stage: str, probe: Source) -> None:
        """What a stage says beside its parts: how it drops and joins branches. Refused if that is wrong."""

        def work(source: Source) -> bool:
            resolver = self.resolver(source)
            env = self.stage(resolver, stage)
            resolver.stages.schedule(env)
            resolver.stages.join(env)
            _check(resolver)
            return True

        self.once(("rules", stage), probe, work)

    def number(self, stage: str, name: str, probe: Source) -> int | None:
        """`depth` or `dim` of a stage; None where it has no `dim`."""

        def work(source: Source) -> int | None:
            stages = self.resolver(source).stages
            env = stages.env(self.model.stages[stage])
            if name == "depth":
                return stages.depth(env)
            dim = stages.dim(env)
            return None if dim is None else dim[0]

        return self.once((name, stage), probe, work)

    def entrance(self, stage: str, probe: Source) -> Made:
        """`from` and `down`, one after the other."""

        def work(source: Source) -> Made:
            parts, given = self.entrance_parts(stage, source)
            return self._one_after_the_other(parts, _Maps(source, self.index)[given].y, source, stage)

        return self.once(("entrance", stage), probe, work)

    def entrance_parts(self, stage: str, probe: Source) -> tuple[list[Part], str]:
        """`from` and `down`, and the name of what comes in."""
        resolver = self.resolver(probe)
        env = self.stage(resolver, stage)
        before = resolver.stages.source(env)
        down = resolver.stages.down(env, first=stage == self._first)
        _check(resolver)
        begins = first_reads(before) if before else ()
        return [part for part in (before, down) if part], begins[0].value if begins else self._before[stage]

    def tail(self, stage: str, x: FeatureMap, probe: Source) -> Made:
        """What follows the last block."""

        def work(source: Source) -> Made:
            resolver = self.resolver(source)
            part = resolver.stages.tail(self.stage(resolver, stage))
            _check(resolver)
            return self._one_after_the_other([part] if part else [], x, source, stage)

        return self.once(("tail", stage, x), probe, work)

    def _one_after_the_other(self, parts: Sequence[Part], x: FeatureMap, probe: Source, value: str) -> Made:
        costs = (0,) * len(self.quantities)
        for part in parts:
            made = self._place(part, x, probe, value)
            x, costs = made.y, added(costs, made.costs)
        return Made(x, costs)

    def position(self, block: int, depth: int) -> tuple[bool, bool]:
        """Whether a block is read as a first and as a last one: only where some place says more about those."""
        return block == 0 and "first" in self._positions, block == depth - 1 and "last" in self._positions

    def lines(self, stage: str, position: tuple[bool, bool], probe: Source) -> tuple[ast.Line, ...]:
        """The lines of the layout of a block."""

        def work(source: Source) -> tuple[ast.Line, ...]:
            resolver = self.resolver(source)
            return resolver.stages.layout(self.block(resolver, stage, position, 0))[0]

        return self.once(("lines", stage, position), probe, work)

    def line(self, stage: str, position: tuple[bool, bool], block: int, line: int, x: FeatureMap, probe: Source) -> Made:
        """One line of one block, with what comes into it. It is the same in the blocks that are a `period` apart."""
        period, place = 1, 0
        while True:
            try:
                made = self._line(stage, position, place, line, x, probe)
            except Refusal:
                if place == block:
                    raise
                # the first of a cycle may not fit where a later one does
                return self._line(stage, position, block, line, x, probe)
            period = lcm(period, made.period)
            # what alternates may itself hold what alternates, in some of its blocks
            if block % period == place:
                return made
            place = block % period

    def _line(self, stage: str, position: tuple[bool, bool], block: int, line: int, x: FeatureMap, probe: Source) -> Made:
        def work(source: Source) -> Made:
            resolver = self.resolver(source)
            written, env = resolver.stages.layout(self.block(resolver, stage, position, block))
            found = resolver.stages.line(env, written[line])
            _check(resolver)
            placer = Placer(self.arch, Report(), Work())
            placer.values = _Maps(source, self.index)  # type: ignore[assignment]
            placed = placer.block((found,), x)
            forms = {False: _sides(placed)}
            if self._fuses:
                merged = Line(found.residual, _fused(found.body), _fused(found.skip) if found.skip else None, found.span)
                forms[True] = _sides(placer.block((merged,), x))
            return Made(placed.y, self._costs(forms, stage, source), env.cycle[0])

        return self.once(("line", stage, position, block, line, x), probe, work)

    def block(self, resolver: Resolver, stage: str, position: tuple[bool, bool], block: int) -> Env:
        """The place of a block."""
        env = self.stage(resolver, stage)
        return resolver.stages.block_env(env, block, first=position[0], last=position[1], rate=0.0)


def added(first: Costs, second: Costs) -> Costs:
    """Costs, one by one."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _check(resolver: Resolver) -> None:
    if resolver.report.error_count:
        raise Refusal


def values_read(parts: Iterable[Part], given: str | None = None) -> frozenset[str]:
    """The names of values that parts read, with what is `given` to them."""
    found = {part.value for whole in parts for part in walk_parts(whole) if isinstance(part, Read | Resize)}
    return frozenset(found if given is None else {*found, given})


def _sides(block: PlacedBlock) -> list[Placed]:
    return [part for line in block.lines for part in (line.body, line.skip) if part]


def _fused(part: Part) -> Part:
    match part:
        case Leaf():
            return replace(part, component=part.component.fused())
        case Fit():
            return replace(part, part=_fused(part.part))
        case Chain() | Sum() | Split() | Concat():
            return replace(part, parts=tuple(map(_fused, parts_of(part))))
    return part
