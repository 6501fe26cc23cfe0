"""The pieces of a space's network, each evaluated alone: what map it makes of which, and what that costs.

A point is asked for as little as each piece needs, so that pieces which read different decisions can be counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeVar

from archdsl.feasible.trace import Memo, Settled, Source, Witness
from archdsl.ir.evaluate import Env
from archdsl.ir.model import Model
from archdsl.ir.network import Placed, leaves
from archdsl.ir.part import Arch, Chain, Concat, Fit, Leaf, Line, Part, Split, Sum, parts_of
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
    """The pieces of a model at one image. `index` is the place of the image's maps among those of all images."""

    def __init__(
        self, model: Model, arch: Arch, index: int, quantities: Sequence[Quantity], reached: frozenset[str], stand_in: Settled
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
        self._first = next(iter(model.stages), None)

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

    def _resolver(self, probe: Source) -> Resolver:
        return Resolver(self.model, Report(), probe, Work())  # type: ignore[arg-type]

    def _stage(self, resolver: Resolver, name: str) -> Env:
        return resolver.stages.env(self.model.stages[name])

    def _place(self, part: Part, x: FeatureMap, probe: Source, value: str) -> Made:
        placer = Placer(self.arch, Report(), Work())
        placer.values = _Maps(probe, self.index)  # type: ignore[assignment]
        placed = placer.part(part, x)
        return Made(placed.y, self._costs([placed], x, placer, value))

    def _costs(self, placed: Sequence[Placed], x: FeatureMap, placer: Placer, value: str) -> Costs:
        forms: dict[bool, Sequence[Placed]] = {False: placed}
        if any(is_fused(quantity.rule) for quantity in self.quantities):
            forms[True] = [placer.part(_fused(each.part), each.x) for each in placed]
        return tuple(self._cost(forms[is_fused(quantity.rule)], quantity, value) for quantity in self.quantities)

    def _cost(self, placed: Sequence[Placed], quantity: Quantity, value: str) -> int:
        evaluated = value in self.reached
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
            resolver = self._resolver(source)
            first = self._stage(resolver, self._first) if self._first else None
            part = resolver.section("stem", first)
            _check(resolver)
            return self._place(part, self.image, source, "") if part else Made(self.image, (0,) * len(self.quantities))

        return self.once("stem", probe, work)

    def value(self, name: str, reads: str, probe: Source) -> Made:
        """A node or a head."""

        def work(source: Source) -> Made:
            resolver = self._resolver(source)
            node = self.model.nodes.get(name)
            if node is not None:
                part = resolver.node(node).part
            else:
                head = self.model.heads[name] if name in self.model.heads else self.model.heads[""]
                last = next(reversed(self.model.stages))
                part = resolver.head(name, head, self._stage(resolver, last)).part
            _check(resolver)
            return self._place(part, _Maps(source, self.index)[reads].y, source, name)

        return self.once(("value", name), probe, work)

    def logits(self, probe: Source) -> Made:
        """What evaluation returns; refused if it has another number of channels than there are classes."""

        def work(source: Source) -> Made:
            part = self._resolver(source).logits()
            placer = Placer(self.arch, Report(), Work())
            placer.values = _Maps(source, self.index)  # type: ignore[assignment]
            placed = placer.part(part, self.image)
            if self.arch.classes is not None and placed.y.channels != self.arch.classes:
                raise Refusal
            free = tuple(0 if quantity.name == "params" else 1 for quantity in self.quantities)
            costs = tuple(use * self._cost([placed], quantity, "") for use, quantity in zip(free, self.quantities, strict=True))
            return Made(placed.y, costs)

        return self.once("logits", probe, work)

    # --- stages -------------------------------------------------------------------------------------------------

    def rules(self, stage: str, probe: Source) -> None:
        """What a stage says beside its parts: how it drops and joins branches. Refused if that is wrong."""

        def work(source: Source) -> bool:
            resolver = self._resolver(source)
            env = self._stage(resolver, stage)
            resolver.stages.schedule(env)
            resolver.stages.join(env)
            _check(resolver)
            return True

        self.once(("rules", stage), probe, work)

    def number(self, stage: str, name: str, probe: Source) -> int | None:
        """`depth` or `dim` of a stage; None where it has no `dim`."""

        def work(source: Source) -> int | None:
            stages = self._resolver(source).stages
            env = stages.env(self.model.stages[stage])
            if name == "depth":
                return stages.depth(env)
            dim = stages.dim(env)
            return None if dim is None else dim[0]

        return self.once((name, stage), probe, work)

    def entrance(self, stage: str, x: FeatureMap, probe: Source) -> Made:
        """`from` and `down`, one after the other."""

        def work(source: Source) -> Made:
            resolver = self._resolver(source)
            env = self._stage(resolver, stage)
            parts = [resolver.stages.source(env), resolver.stages.down(env, first=stage == self._first)]
            _check(resolver)
            return self._one_after_the_other([part for part in parts if part], x, source, stage)

        return self.once(("entrance", stage, x), probe, work)

    def tail(self, stage: str, x: FeatureMap, probe: Source) -> Made:
        """What follows the last block."""

        def work(source: Source) -> Made:
            resolver = self._resolver(source)
            part = resolver.stages.tail(self._stage(resolver, stage))
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
            stages = self._resolver(source).stages
            return stages.layout(self._block(stages, stage, position, 0))[0]

        return self.once(("lines", stage, position), probe, work)

    def line(self, stage: str, position: tuple[bool, bool], block: int, line: int, x: FeatureMap, probe: Source) -> Made:
        """One line of one block, with what comes into it."""
        try:
            made = self._line(stage, position, 0, line, x, probe)
        except Refusal:
            if block == 0:
                raise
            # the first of a cycle may not fit where a later one does
            return self._line(stage, position, block, line, x, probe)
        return made if block % made.period == 0 else self._line(stage, position, block % made.period, line, x, probe)

    def _line(self, stage: str, position: tuple[bool, bool], block: int, line: int, x: FeatureMap, probe: Source) -> Made:
        def work(source: Source) -> Made:
            resolver = self._resolver(source)
            written, env = resolver.stages.layout(self._block(resolver.stages, stage, position, block))
            found = resolver.stages.line(env, written[line])
            _check(resolver)
            placer = Placer(self.arch, Report(), Work())
            placer.values = _Maps(source, self.index)  # type: ignore[assignment]
            placed = placer.block((found,), x)
            parts = [each for here in placed.lines for each in (here.body, here.skip) if each]
            forms = [*parts]
            costs = self._line_costs(forms, found, x, placer, stage)
            return Made(placed.y, costs, env.cycle[0])

        return self.once(("line", stage, position, block, line, x), probe, work)

    def _line_costs(self, parts: list[Placed], line: Line, x: FeatureMap, placer: Placer, stage: str) -> Costs:
        forms: dict[bool, list[Placed]] = {False: parts}
        if any(is_fused(quantity.rule) for quantity in self.quantities):
            fused = Line(line.residual, _fused(line.body), _fused(line.skip) if line.skip else None, line.span)
            forms[True] = [p for here in placer.block((fused,), x).lines for p in (here.body, here.skip) if p]
        return tuple(self._cost(forms[is_fused(quantity.rule)], quantity, stage) for quantity in self.quantities)

    def _block(self, stages: object, stage: str, position: tuple[bool, bool], block: int) -> Env:
        env = stages.env(self.model.stages[stage])  # type: ignore[attr-defined]
        return stages.block_env(env, block, first=position[0], last=position[1], rate=0.0)  # type: ignore[attr-defined,no-any-return]

    def witness(self, probe: Source, open: frozenset[object]) -> Witness:
        """A probe for what no decision beside the `open` ones should change."""
        return Witness(probe, open, self.stand_in)  # type: ignore[arg-type]


def added(first: Costs, second: Costs) -> Costs:
    """Costs, one by one."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _check(resolver: Resolver) -> None:
    if resolver.report.error_count:
        raise Refusal


def _fused(part: Part) -> Part:
    match part:
        case Leaf():
            return replace(part, component=part.component.fused())
        case Fit():
            return replace(part, part=_fused(part.part))
        case Chain() | Sum() | Split() | Concat():
            return replace(part, parts=tuple(map(_fused, parts_of(part))))
    return part
