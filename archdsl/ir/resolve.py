"""Resolution: a model becomes an arch, every name looked up and every field complete. Shapes come later."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import NoReturn

from archdsl.ir.attempt import Attempt
from archdsl.ir.attributes import attribute, count
from archdsl.ir.evaluate import Context, DomainKey, Env
from archdsl.ir.lookup import STRUCTURE, means_nothing
from archdsl.ir.model import Model
from archdsl.ir.part import Arch, Part, Read, Resize, Value, first_reads, walk_parts
from archdsl.ir.preprocess import Preprocess
from archdsl.ir.stages import StageResolver
from archdsl.ir.values import Val, kind_of
from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.schema.field import STARTS
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.text import Span

Point = Mapping[DomainKey, int | Fraction]


def resolve(model: Model, report: Report, point: Point | None = None, *, work: Work | None = None) -> Arch | None:
    """The arch that a model means; None if something in it is wrong, which was then reported.

    `point` has a value for each decision of a space; `work` what other specs of the file left to do.
    """
    try:
        return Resolver(model, report, point, work or Work()).arch()
    except Reported:
        return None


class Resolver:
    """Resolves a model whole, by `arch`, or one of the pieces that it has beside its stages; `stages` resolves those."""

    def __init__(self, model: Model, report: Report, point: Point | None, work: Work) -> None:
        self.model = model
        self.report = report
        self.context = Context(model, report, point, work)
        self.attempt = Attempt(f"`{model.name}`", model.span, report)
        self.stages = StageResolver(self.context, self.attempt)
        self.top = Env(self.context, (model.place,), f"`{model.name}`", model.span)

    def arch(self) -> Arch | None:
        model = self.model
        image = self.attempt(self._image)
        classes = self.attempt(self._classes)
        self.attempt(self._init)
        preprocess = self.attempt(lambda: self._preprocess(image[0].channels if image else None))
        stage_envs = {name: self.stages.env(place) for name, place in model.stages.items()}
        depths = {name: self.attempt(partial(self.stages.depth, env)) for name, env in stage_envs.items()}
        rates = self.attempt(lambda: self.stages.drop_rates(stage_envs, depths))
        stages = []
        blocks = sum(depth or 0 for depth in depths.values())
        for index, (name, env) in enumerate(stage_envs.items()):
            depth = depths[name]
            if depth is not None and blocks <= limits.BLOCKS:
                stages.append(self.stages.stage(env, name, depth, rates[name] if rates else (0.0,) * depth, first=index == 0))
        if not model.stages:
            self._missing(
                "missing-stage", "an arch needs at least one stage", "write `stage NAME { dim = ..., depth = ..., ... }`"
            )
        if blocks > limits.BLOCKS:
            self._too_deep()
        first = next(iter(stage_envs.values()), None)
        last = next(reversed(stage_envs.values()), None) if stage_envs else None
        stem = self.attempt(lambda: self.section("stem", first))
        nodes = [self.attempt(partial(self.node, node)) for node in model.nodes.values()]
        heads = [self.attempt(partial(self.head, name, head, last)) for name, head in model.heads.items()]
        if not model.heads:
            self._missing("missing-head", "an arch needs a head", "write `head = mean -> linear(classes)`")
        logits = self.attempt(self.logits) if model.heads else None
        self._unused_lets()
        if self.attempt.failures or image is None or logits is None:
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
            preprocess,
        )

    def _missing(self, slug: str, message: str, help: str) -> None:
        self.attempt.failures += 1
        self.report.error(slug, message, self.model.span, "nothing here says it", help=help)

    # --- the arch -----------------------------------------------------------------------------------------------

    def _image(self) -> tuple[FeatureMap, Span]:
        val = attribute(self.top, "input")
        if val is None:
            self.context.missing.add("input")
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
        if width in (1, 3, 4) and channels > 16 and height > 16:
            self.report.fail(
                "channels-last",
                "`input` has its channels first",
                val.span,
                f"a map of {height}x{width} with {channels} channels",
                help=f"write {width}x{channels}x{height}",
            )
        if min(val.value) < 1:
            self.report.fail("out-of-bounds", "`input` is at least 1x1x1", val.span, "a size of zero holds nothing")
        image = FeatureMap(channels, Size(height, width))
        if max(val.value) > limits.ELEMENTS or image.elements > limits.ELEMENTS:
            self.report.fail(
                "limit-exceeded", f"a map may have at most {limits.ELEMENTS:_} elements", val.span, "more than that"
            )
        return image, val.span

    def _classes(self) -> int | None:
        val = attribute(self.top, "classes")
        return None if val is None else count(val, "classes", limits.MAGNITUDE, self.report)

    def _init(self) -> None:
        """How convolutions start is looked at where it is written, also if no convolution asks for it."""
        written = self.top.places[0].attributes.get("init")
        if written is None:
            return
        nothing = means_nothing(self.top, written.value)
        val = None if nothing else self.top.evaluate(written.value)
        if val is None or val.value not in STARTS:
            *most, last = (f'"{choice}"' for choice in STARTS)
            bare = written.value.span.text in STARTS
            self.report.fail(
                "unknown-choice",
                "`init`, how convolutions start, is one of three texts",
                val.span if val else written.value.span,
                f"{'in quotes: ' * bare}{', '.join(most)} or {last}",
                help='leave it out for PyTorch\'s rule, "uniform"; `archdsl explain init` tells the others',
            )

    def _preprocess(self, channels: int | None) -> Preprocess | None:
        val = attribute(self.top, "preprocess")
        if val is None or val.value is None:
            return None
        if not isinstance(val.value, Preprocess):
            help = "write `preprocess = normalize(crop_ratio = 0.9)`"
            label = f"this is {kind_of(val.value)}"
            self.report.fail("wrong-type", "`preprocess` is a `normalize`", val.span, label, help=help)
        found: Preprocess = val.value
        for name, numbers in (("mean", found.mean), ("std", found.std)):
            if channels is not None and len(numbers) != channels:
                self.report.warn(
                    "preprocess-mismatch",
                    f"`{name}` has one number for each channel of the input",
                    val.span,
                    f"{len(numbers)} for {channels} channels, so it is left aside",
                    help=f"write `{name} = [...]` with {channels}, or leave `preprocess` out",
                )
                return None
        return found

    def _too_deep(self) -> None:
        self.attempt.failures += 1
        self.report.error(
            "limit-exceeded",
            f"an arch may have at most {limits.BLOCKS:_} blocks",
            self.model.span,
            "more than that in all its stages",
        )

    # --- around the stages --------------------------------------------------------------------------------------

    def section(self, name: str, dim_from: Env | None) -> Part | None:
        """The stem: a part of the arch, whose `dim` is that of the first stage."""
        attribute = self.model.place.attributes.get(name)
        if attribute is None:
            return None
        env = self._around(f"the {name}", dim_from)
        val = env.evaluate(attribute.value)
        return None if val.value is None else env.to_part(val, attribute.value.span).part

    def _around(self, where: str, dim_from: Env | None) -> Env:
        given: dict[str, Val | None] = {}
        if dim_from is not None and any("dim" in place.attributes for place in dim_from.places):
            # a dim that is wrong is reported with its stage, not here again
            given["dim"] = self.attempt(lambda: attribute(dim_from, "dim"))
        return Env(self.context, (self.model.place,), where, self.model.span, given=given)

    def node(self, node: ast.Node) -> Value:
        """A node, which begins with the value that it reads."""
        env = Env(self.context, (self.model.place,), f"node `{node.name.id}`", node.name.span)
        first = node.value.parts[0] if isinstance(node.value, ast.Chain) else node.value
        head = first.callee if isinstance(first, ast.Call) else first
        # said before the part is looked at, which may lack more for want of a source
        if isinstance(head, ast.Name) and head.id not in STRUCTURE and env.bound(head) is None and registry.lookup(head.id):
            self._without_source(node, head.span)
        part = env.part(node.value).part
        if not first_reads(part):
            self._without_source(node, first.span)
        return Value(node.name.id, part, node.name.span)

    def _without_source(self, node: ast.Node, span: Span) -> NoReturn:
        self.report.fail(
            "node-without-source",
            "a node must begin with the value it reads",
            span,
            "no stage, node or head",
            help=f"write `node {node.name.id} = STAGE -> ...`",
        )

    def head(self, name: str, head: ast.Head, last: Env | None) -> Value:
        """A head, whose `dim` is that of the last stage."""
        env = self._around("the head" if not name else f"head `{name}`", last)
        span = head.name.span if head.name else head.span.head()
        return Value(name or "head", env.part(head.value).part, span)

    def logits(self) -> Part:
        """What evaluation returns."""
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
        for read in walk_parts(part):
            if isinstance(read, Read | Resize) and not read.value:
                help = "read the stem in a head or a node"
                self.report.fail("no-logits", "`logits` is made of heads", read.span, "this is the stem", help=help)
        if not first_reads(part) or not any(isinstance(p, Read) and p.value in heads for p in walk_parts(part)):
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
        if self.attempt.failures or self.model.kind == "space":
            return
        for place in self.model.places():
            for name, let in place.lets.items():
                if let.name.span in self.model.own and let.name.span not in self.context.used:
                    self.report.warn(
                        "unused-let",
                        f"`{name}` is never used",
                        let.name.span,
                        "nothing reads it",
                        help="leave it out, or use it",
                    )
