"""Stages: their blocks, with layouts, positions and alternation over depth resolved, and the drop-path rates along depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NoReturn

from archdsl.ir.attempt import Attempt
from archdsl.ir.attributes import attribute, count
from archdsl.ir.calls import bind, drop_probability
from archdsl.ir.evaluate import Context, Env
from archdsl.ir.lookup import means_nothing
from archdsl.ir.model import Place
from archdsl.ir.part import Block, DropPath, Line, Origin, Part, Stage, walk_parts
from archdsl.ir.values import Ramp, kind_of
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.source import limits
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span


class StageResolver:
    """Resolves the stages of one model."""

    def __init__(self, context: Context, attempt: Attempt) -> None:
        self.context = context
        self.model = context.model
        self.report = context.report
        self.attempt = attempt

    def env(self, place: Place) -> Env:
        places = (place, self.model.default, self.model.place)
        return Env(self.context, places, f"stage `{place.path}`", place.span)

    def depth(self, env: Env) -> int:
        val = attribute(env, "depth")
        if val is None:
            self.report.fail(
                "missing-attribute", f"{env.where} has no depth", env.place_span, "no `depth`", help="write `depth = 2`"
            )
        return count(val, "depth", limits.BLOCKS, self.report)

    def drop_rates(self, envs: Mapping[str, Env], depths: Mapping[str, int | None]) -> dict[str, tuple[float, ...]]:
        """The rate of each block. Blocks of a stage that says `none` are left out of the count along depth."""
        schedules = {name: self.schedule(env) for name, env in envs.items()}
        counted = sum(depths[name] or 0 for name, schedule in schedules.items() if schedule is not None)
        rates: dict[str, tuple[float, ...]] = {}
        index = 0
        for name, schedule in schedules.items():
            depth = depths[name] or 0
            if schedule is None:
                rates[name] = (0.0,) * depth
                continue
            if isinstance(schedule, Ramp):
                steps = counted - 1 if schedule.endpoint else counted
                rates[name] = tuple(schedule.rate * (index + b) / steps if steps else 0.0 for b in range(depth))
            else:
                rates[name] = (schedule,) * depth
            index += depth
        return rates

    def schedule(self, env: Env) -> Ramp | float | None:
        """How often the blocks of a stage are dropped; None where they do not count along depth."""
        written = next((p.attributes["drop_path"].value for p in env.places if "drop_path" in p.attributes), None)
        if isinstance(written, ast.Call) and isinstance(written.callee, ast.Name):
            name = written.callee.id
            # what a component wants for itself says nothing of a schedule
            if means_nothing(env, written) or (name in registry.names() and env.bound(written.callee) is None):
                self.report.fail(
                    "wrong-type",
                    "`drop_path` is a number or a schedule, `ramp(rate)`",
                    written.span,
                    f"`{name}` is {'a component' if name in registry.names() else 'neither'}",
                    help="write `drop_path = ramp(0.1)`: from 0 in the first block to 0.1 in the last",
                )
        val = attribute(env, "drop_path")
        if val is None or val.value is None:
            return None
        return val.value if isinstance(val.value, Ramp) else drop_probability(env, val)

    def stage(self, env: Env, name: str, depth: int, rates: tuple[float, ...], *, first: bool) -> Stage | None:
        failures = self.attempt.failures
        dim = self.attempt(lambda: self.dim(env))
        source = self.attempt(lambda: self.source(env))
        down = self.attempt(lambda: self.down(env, first=first))
        tail = self.attempt(lambda: self.tail(env))
        self.attempt(lambda: self.join(env))
        blocks = self.attempt(lambda: self._blocks(env, depth, rates))
        if self.attempt.failures > failures or blocks is None:
            return None
        value, origin = dim if dim else (None, None)
        return Stage(name, value, source, down, blocks, tail, env.place_span, origin)

    def dim(self, env: Env) -> tuple[int, Origin] | None:
        """The channels that a stage says it has."""
        val = attribute(env, "dim")
        return None if val is None else (count(val, "dim", limits.MAGNITUDE, self.report), val.origin)

    def join(self, env: Env) -> None:
        """Refuse a rule of joining that is not known."""
        written = next((place.attributes["join"].value for place in env.places if "join" in place.attributes), None)
        if written is None:
            return
        chosen = env.chosen(written) if isinstance(written, ast.Choice) else written
        head = chosen.callee if isinstance(chosen, ast.Call) else chosen
        # a rule of another edition is no component, so it is not looked up as one
        if not isinstance(head, ast.Name) or (head.id != "add" and env.bound(head) is None):
            self._unknown_join(chosen, "not `add`")
        val = env.evaluate(chosen)
        if val.value != "add":
            self._unknown_join(chosen, f"this is {kind_of(val.value)}")

    def _unknown_join(self, written: ast.Expr, label: str) -> NoReturn:
        self.report.fail(
            "unknown-join",
            "this archdsl knows the join `add` only",
            written.span,
            label,
            help="leave `join` out, or write `join = add`",
        )

    def source(self, env: Env) -> Part | None:
        """What a stage reads in place of the value before it."""
        return self._own_part(env, "from", (env.places[0], self.model.default))

    def down(self, env: Env, *, first: bool) -> Part | None:
        """What comes before the blocks. The `first` stage reads the stem, which default's `down` is not meant for."""
        place = env.places[0]
        places = (place,) if first and "from" not in place.attributes else (place, self.model.default)
        return self._own_part(env, "down", places)

    def tail(self, env: Env) -> Part | None:
        """What follows the last block."""
        return self._own_part(env, "tail", (env.places[0], self.model.default))

    def _own_part(self, env: Env, name: str, places: tuple[Place, ...]) -> Part | None:
        for place in places:
            if name in place.attributes:
                attribute = place.attributes[name]
                val = env.evaluate(attribute.value)
                return None if val.value is None else env.to_part(val, attribute.value.span).part
        return None

    def _blocks(self, env: Env, depth: int, rates: tuple[float, ...]) -> tuple[Block, ...]:
        """The blocks; those that differ in nothing but their drop rate are resolved once."""
        blocks: list[Block] = []
        resolved: dict[tuple[bool, bool, int], tuple[Line, ...]] = {}
        read: set[str] = set()
        period = 1
        self.context.work.spend(depth, env.place_span, self.report)
        for index in range(depth):
            key = (index == 0, index == depth - 1, index % period)
            lines = resolved.get(key)
            if lines is None:
                block = self.block_env(env, index, first=index == 0, last=index == depth - 1, rate=rates[index])
                lines = self._lines(block)
                read |= {name for name, _ in block.memo}
                if block.cycle[0] != period:
                    # a longer period was met: what was resolved stands for fewer blocks than thought
                    period = block.cycle[0]
                    resolved = {}
                    key = (*key[:2], index % period)
                if not any(isinstance(part, DropPath) for line in lines for part in _parts(line)):
                    resolved[key] = lines
            blocks.append(Block(lines, rates[index]))
        self._unused_slots(env, read)
        return tuple(blocks)

    def block_env(self, env: Env, index: int, *, first: bool, last: bool, rate: float) -> Env:
        """The place of one block: that of its stage, with the positions that hold for it before it."""
        stage, default, arch = env.places
        positions = [
            place.positions[which]
            for which, here in (("last", last), ("first", first))
            if here
            for place in (stage, default)
            if which in place.positions
        ]
        places = (*positions, stage, default, arch)
        return Env(self.context, places, env.where, env.place_span, block=index, drop_rate=rate)

    def _lines(self, env: Env) -> tuple[Line, ...]:
        written, env = self.layout(env)
        return tuple(env.each(partial(self.line, env), written))

    def line(self, env: Env, line: ast.Line) -> Line:
        """A line of a layout, read from the place of a block."""
        body, *skip = env.each(env.part, (line.body, line.skip) if line.skip else (line.body,))
        keyword = Span(line.span.source, line.span.start, line.span.start + len(line.kind))
        return Line(line.kind == "residual", body.part, skip[0].part if skip else None, keyword)

    def layout(self, env: Env) -> tuple[tuple[ast.Line, ...], Env]:
        """The lines of the nearest layout, and the place to read them from, with its parameters if it has some."""
        for place in env.places:
            if place.layout is not None:
                return place.layout.lines, env
            if "layout" in place.attributes:
                return self._named_layout(env, place.attributes["layout"].value)
        self.report.fail(
            "missing-layout",
            f"{env.where} has no layout",
            env.place_span,
            "no `layout` here, in `default`, or in the arch",
            help="write `layout { residual layernorm -> token  residual layernorm -> channel }` in the arch",
        )

    def _named_layout(self, env: Env, value: ast.Expr) -> tuple[tuple[ast.Line, ...], Env]:
        name = value.callee if isinstance(value, ast.Call) else value
        arguments = value.arguments if isinstance(value, ast.Call) else ()
        if isinstance(value, ast.Choice):
            point = self.context.point
            if point is not None:
                return self._named_layout(env, env.chosen(value))
            env.evaluate(value)
        if not isinstance(name, ast.Name):
            self.report.fail(
                "wrong-type",
                "`layout` takes the name of a layout",
                value.span,
                help="write `layout = NAME`, or `layout { ... }`",
            )
        layout: ast.Layout | None = self.model.layouts.get(name.id)
        if layout is None:
            found = self.model.file_let(name.id, name.span.source)
            layout = found if isinstance(found, ast.Layout) else None
        if layout is None:
            known = list(self.model.layouts)
            self.report.fail(
                "unknown-name",
                f"there is no layout `{name.id}`",
                name.span,
                "not a layout",
                help=did_you_mean(name.id, known, "layouts are") or "write `layout NAME { ... }` in the arch",
            )
        self.context.used.add(name.span)
        params = bind(env, layout.params or (), arguments, name.id, name.span, value.span)
        return layout.lines, env.with_params(params)

    def _unused_slots(self, env: Env, read: set[str]) -> None:
        place = env.places[0]
        for slot in ("token", "channel"):
            if slot in place.attributes and slot not in read and (slot, -1) not in self.context.told:
                # the layout is most often one for all stages, so once is enough
                self.context.told.add((slot, -1))
                self.report.warn(
                    "unused-slot",
                    f"the layout of {env.where} never uses its {slot} mixer",
                    place.attributes[slot].name.span,
                    "given, and not read",
                    help=f"write `residual layernorm -> {slot}` in the layout, or leave this out",
                )


def _parts(line: Line) -> Iterator[Part]:
    """Everything in the body and the skip of a line."""
    yield from walk_parts(line.body)
    if line.skip is not None:
        yield from walk_parts(line.skip)
