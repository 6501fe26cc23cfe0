"""Resolution: a model becomes an arch, every name looked up and every field complete. Shapes come later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeVar

from archdsl.ir import values
from archdsl.ir.evaluate import Context, DomainKey, Env
from archdsl.ir.model import Model, Place
from archdsl.ir.part import Arch, Block, Chain, DropPath, Line, Part, Read, Stage, Value, parts_of, walk_parts
from archdsl.ir.values import Ramp, Val, is_number, kind_of, origin_notes
from archdsl.lang import ast
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span

Point = Mapping[DomainKey, int | Fraction]
T = TypeVar("T")


def resolve(model: Model, report: Report, point: Point | None = None) -> Arch | None:
    """The arch that a model means; None if something in it is wrong, which was then reported.

    `point` has a value for each decision of a space.
    """
    return _Resolver(model, report, point).arch()


class _Resolver:
    def __init__(self, model: Model, report: Report, point: Point | None) -> None:
        self.model = model
        self.report = report
        self.context = Context(model, report, point)
        self.failed = False
        self.top = Env(self.context, (model.place,), f"`{model.name}`", model.span)

    def arch(self) -> Arch | None:
        model = self.model
        image = self._try(self._image)
        classes = self._try(self._classes)
        stage_envs = {name: self._stage_env(place) for name, place in model.stages.items()}
        depths = {name: self._try(lambda e=env: self._depth(e)) for name, env in stage_envs.items()}
        rates = self._try(lambda: self._drop_rates(stage_envs, depths))
        stages = []
        for index, (name, env) in enumerate(stage_envs.items()):
            depth = depths[name]
            if depth is not None and sum(d or 0 for d in depths.values()) <= limits.BLOCKS:
                stages.append(self._stage(env, name, depth, rates[name] if rates else (0.0,) * depth, first=index == 0))
        if not model.stages:
            self._missing(
                "missing-stage", "an arch needs at least one stage", "write `stage NAME { dim = ..., depth = ..., ... }`"
            )
        if sum(d or 0 for d in depths.values()) > limits.BLOCKS:
            self._too_deep()
        first = next(iter(stage_envs.values()), None)
        last = next(reversed(stage_envs.values()), None) if stage_envs else None
        stem = self._try(lambda: self._section("stem", first))
        nodes = [self._try(lambda n=node: self._node(n)) for node in model.nodes.values()]
        heads = [self._try(lambda n=name, h=head: self._head(n, h, last)) for name, head in model.heads.items()]
        if not model.heads:
            self._missing("missing-head", "an arch needs a head", "write `head = mean -> linear(classes)`")
        logits = self._try(self._logits) if model.heads else None
        self._unused_lets()
        if self.failed or image is None or classes is None or logits is None:
            return None
        image_map, image_span = image
        return Arch(
            model.name,
            image_map,
            image_span,
            classes,
            stem,
            tuple(stage for stage in stages if stage),
            tuple(node for node in nodes if node),
            tuple(head for head in heads if head),
            logits,
            model.span,
        )

    def _try(self, work: Callable[[], T]) -> T | None:
        """The result of work, or None after a failure: what does not depend on it goes on."""
        try:
            return work()
        except Reported:
            self.failed = True
            return None

    def _missing(self, slug: str, message: str, help: str) -> None:
        self.failed = True
        self.report.error(slug, message, self.model.span, "nothing here says it", help=help)

    # --- the arch -----------------------------------------------------------------------------------------------

    def _attribute(self, env: Env, name: str) -> Val | None:
        """The value of an attribute seen from a place, nearest first; None where no place gives it."""
        for place in env.places:
            if name in place.attributes:
                return env.evaluate(place.attributes[name].value)
        return None

    def _image(self) -> tuple[FeatureMap, Span]:
        val = self._attribute(self.top, "input")
        if val is None:
            self.report.fail(
                "missing-attribute",
                f"`{self.model.name}` does not say what it reads",
                self.model.span,
                "no `input`",
                help="write `input = 3x224x224`",
            )
        if not isinstance(val.value, tuple) or len(val.value) != 3:
            help = "write channels x height x width, such as 3x224x224"
            self.report.fail("wrong-type", "`input` has three numbers", val.span, f"this is {kind_of(val.value)}", help=help)
        channels, height, width = val.value
        if min(val.value) < 1:
            self.report.fail("out-of-bounds", "`input` is at least 1x1x1", val.span, "a size of zero holds nothing")
        image = FeatureMap(channels, Size(height, width))
        if max(val.value) > limits.ELEMENTS or image.elements > limits.ELEMENTS:
            self.report.fail(
                "limit-exceeded", f"a map may have at most {limits.ELEMENTS:_} elements", val.span, "more than that"
            )
        return image, val.span

    def _classes(self) -> int:
        val = self._attribute(self.top, "classes")
        if val is None:
            self.report.fail(
                "missing-attribute",
                f"`{self.model.name}` does not say how many classes it tells apart",
                self.model.span,
                "no `classes`",
                help="write `classes = 1000`",
            )
        return self._count(val, "classes", limits.MAGNITUDE)

    def _count(self, val: Val, name: str, most: int) -> int:
        if not is_number(val.value):
            self.report.fail(
                "wrong-type",
                f"`{name}` is a whole number",
                val.span,
                f"this is {kind_of(val.value)}",
                notes=origin_notes(val.origin),
            )
        count = values.whole(val, f"`{name}`", self.report)
        if count < 1:
            notes = origin_notes(val.origin)
            self.report.fail("out-of-bounds", f"`{name}` must be at least 1", val.span, f"this is {count}", notes=notes)
        if count > most:
            self.report.fail(
                "limit-exceeded",
                f"`{name}` may be at most {most:_}",
                val.span,
                "more than that",
                notes=origin_notes(val.origin),
            )
        return count

    def _too_deep(self) -> None:
        self.failed = True
        self.report.error(
            "limit-exceeded",
            f"an arch may have at most {limits.BLOCKS:_} blocks",
            self.model.span,
            "more than that in all its stages",
        )

    # --- stages -------------------------------------------------------------------------------------------------

    def _stage_env(self, place: Place) -> Env:
        places = (place, self.model.default, self.model.place)
        return Env(self.context, places, f"stage `{place.path}`", place.span)

    def _depth(self, env: Env) -> int:
        val = self._attribute(env, "depth")
        if val is None:
            self.report.fail(
                "missing-attribute", f"{env.where} has no depth", env.place_span, "no `depth`", help="write `depth = 2`"
            )
        return self._count(val, "depth", limits.BLOCKS)

    def _drop_rates(self, envs: Mapping[str, Env], depths: Mapping[str, int | None]) -> dict[str, tuple[float, ...]]:
        """The rate of each block. Blocks of a stage that says `none` are left out of the count along depth."""
        schedules = {name: self._schedule(env) for name, env in envs.items()}
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

    def _schedule(self, env: Env) -> Ramp | float | None:
        val = self._attribute(env, "drop_path")
        if val is None or val.value is None:
            return None
        return val.value if isinstance(val.value, Ramp) else env.drop_probability(val)

    def _stage(self, env: Env, name: str, depth: int, rates: tuple[float, ...], *, first: bool) -> Stage | None:
        place = env.places[0]
        before = self.failed
        self.failed = False
        dim = self._try(lambda: self._dim(env))
        source = self._try(lambda: self._own_part(env, "from", (place, self.model.default)))
        # the first stage reads the stem, which default's `down` is not meant for
        downs = (place,) if first and "from" not in place.attributes else (place, self.model.default)
        down = self._try(lambda: self._own_part(env, "down", downs))
        tail = self._try(lambda: self._own_part(env, "tail", (place, self.model.default)))
        self._try(lambda: self._join(env))
        blocks = self._try(lambda: self._blocks(env, depth, rates))
        failed, self.failed = self.failed, before or self.failed
        if failed or blocks is None:
            return None
        return Stage(name, dim, source, down, blocks, tail, place.span)

    def _dim(self, env: Env) -> int | None:
        val = self._attribute(env, "dim")
        return None if val is None else self._count(val, "dim", limits.MAGNITUDE)

    def _join(self, env: Env) -> None:
        val = self._attribute(env, "join")
        if val is not None and val.value != "add":
            self.report.fail(
                "unknown-join",
                "this archdsl knows the join `add` only",
                val.span,
                f"this is {kind_of(val.value)}",
                help="leave `join` out, or write `join = add`",
            )

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
        for index in range(depth):
            key = (index == 0, index == depth - 1, index % period)
            lines = resolved.get(key)
            if lines is None:
                block = self._block_env(env, index, depth, rates[index])
                lines = self._lines(block)
                read |= {name for name, _ in block.memo}
                if block.cycle[0] != period:
                    # a longer period was met: what was resolved stands for fewer blocks than thought
                    period = block.cycle[0]
                    resolved = {}
                    key = (*key[:2], index % period)
                if not any(isinstance(part, DropPath) for line in lines for part in walk_parts(line.body)):
                    resolved[key] = lines
            blocks.append(Block(lines, rates[index]))
        self._unused_slots(env, read)
        return tuple(blocks)

    def _block_env(self, env: Env, index: int, depth: int, rate: float) -> Env:
        stage, default, arch = env.places
        positions = [
            place.positions[which]
            for which, here in (("last", index == depth - 1), ("first", index == 0))
            if here
            for place in (stage, default)
            if which in place.positions
        ]
        places = (*positions, stage, default, arch)
        return Env(self.context, places, env.where, env.place_span, block=index, drop_rate=rate)

    def _lines(self, env: Env) -> tuple[Line, ...]:
        written, env = self._layout(env)
        lines = []
        for line in written:
            body = env.part(line.body).part
            skip = env.part(line.skip).part if line.skip else None
            keyword = Span(line.span.source, line.span.start, line.span.start + len(line.kind))
            lines.append(Line(line.kind == "residual", body, skip, keyword))
        return tuple(lines)

    def _layout(self, env: Env) -> tuple[tuple[ast.Line, ...], Env]:
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
        params = env.bind(layout.params or (), arguments, name.id, name.span, value.span)
        return layout.lines, env.with_params(params)

    def _unused_slots(self, env: Env, read: set[str]) -> None:
        place = env.places[0]
        for slot in ("token", "channel"):
            if slot in place.attributes and slot not in read:
                self.report.warn(
                    "unused-slot",
                    f"the layout of {env.where} never uses its {slot} mixer",
                    place.attributes[slot].name.span,
                    "given, and not read",
                    help=f"write `residual layernorm -> {slot}` in the layout, or leave this out",
                )

    # --- around the stages --------------------------------------------------------------------------------------

    def _section(self, name: str, dim_from: Env | None) -> Part | None:
        """The stem: a part of the arch, whose `dim` is that of the first stage."""
        attribute = self.model.place.attributes.get(name)
        if attribute is None:
            return None
        env = self._around(f"the {name}", dim_from)
        val = env.evaluate(attribute.value)
        return None if val.value is None else env.to_part(val, attribute.value.span).part

    def _around(self, where: str, dim_from: Env | None) -> Env:
        given = {}
        if dim_from is not None:
            # a dim that is wrong is reported with its stage, not here again
            dim = self._try(lambda: self._attribute(dim_from, "dim"))
            if dim is not None:
                given["dim"] = dim
        return Env(self.context, (self.model.place,), where, self.model.span, given=given)

    def _node(self, node: ast.Node) -> Value:
        env = Env(self.context, (self.model.place,), f"node `{node.name.id}`", node.name.span)
        part = env.part(node.value).part
        if not begins_with_value(part):
            self.report.fail(
                "node-without-source",
                "a node must begin with the value it reads",
                node.value.span.head(),
                "reads nothing",
                help=f"write `node {node.name.id} = STAGE -> ...`",
            )
        return Value(node.name.id, part, node.name.span)

    def _head(self, name: str, head: ast.Head, last: Env | None) -> Value:
        env = self._around("the head" if not name else f"head `{name}`", last)
        span = head.name.span if head.name else head.span.head()
        return Value(name or "head", env.part(head.value).part, span)

    def _logits(self) -> Part:
        model = self.model
        attribute = model.place.attributes.get("logits")
        if attribute is None:
            if len(model.heads) > 1:
                names = list(model.heads)
                last = model.heads[names[-1]]
                self.report.fail(
                    "no-logits",
                    f"there are {len(names)} heads, and nothing says what evaluation returns",
                    last.name.span if last.name else last.span.head(),
                    "one of several heads",
                    help=f"write `logits = {names[0]}`, or `logits = ({' + '.join(names)}) / {len(names)}`",
                )
            name, head = next(iter(model.heads.items()))
            return Read(name or "head", head.span)
        part = self.top.part(attribute.value).part
        heads = {name or "head" for name in model.heads}
        if not begins_with_value(part) or not any(isinstance(p, Read) and p.value in heads for p in walk_parts(part)):
            self.report.fail(
                "no-logits",
                "`logits` is made of heads",
                attribute.value.span,
                "reads no head",
                help="name a head: " + ", ".join(f"`{name}`" for name in sorted(heads)),
            )
        return part

    def _unused_lets(self) -> None:
        """Warn of lets that nothing read. After a failure much was not evaluated, so nothing is said then."""
        if self.failed or self.model.kind == "space":
            return
        for place in self.model.places():
            for name, let in place.lets.items():
                if let.name.span not in self.context.used and let.name.span.source is self.model.span.source:
                    self.report.warn(
                        "unused-let",
                        f"`{name}` is never used",
                        let.name.span,
                        "nothing reads it",
                        help="leave it out, or use it",
                    )


def begins_with_value(part: Part) -> bool:
    """Whether a part starts from a named value, so that nothing need come in."""
    stack = [part]
    while stack:
        here = stack.pop()
        inner = parts_of(here)
        if isinstance(here, Read):
            continue
        if not inner:
            return False
        stack.extend(inner[:1] if isinstance(here, Chain) else inner)
    return True
