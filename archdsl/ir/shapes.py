"""Shapes: the map at each place of an arch, and with it the network, its names and its cost in closed form."""

from __future__ import annotations

from functools import partial

from archdsl.ir import graph
from archdsl.ir.agree import Agreement
from archdsl.ir.fitting import fitting_inputs
from archdsl.ir.naming import named
from archdsl.ir.network import Network, Placed, PlacedBlock, PlacedLine, PlacedStage
from archdsl.ir.part import (
    Arch,
    Chain,
    Concat,
    DropPath,
    Fit,
    Identity,
    Leaf,
    Line,
    Part,
    Read,
    Resize,
    Split,
    Stage,
    Sum,
    walk_parts,
)
from archdsl.ir.site import PlacedSite, Trace, answering
from archdsl.ir.values import origin_notes
from archdsl.ir.whole import check_network, check_size
from archdsl.ir.work import Work
from archdsl.schema.cost import FREE, Cost
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.record import replace
from archdsl.source.text import Span

# how much of the work left may go into the search for inputs that fit
_FITTING = 5_000
# refusals of a component that another input may spare
_OF_SIZE = ("shape-mismatch", "field-mismatch")


def place(arch: Arch, report: Report, *, work: Work | None = None, advise: bool = True) -> Network | None:
    """The network of an arch; None if a map does not fit somewhere, which was then reported.

    `work` is what other specs of the file left to do. With `advise`, inputs that fit are looked for where one does not.
    """
    own, work = Report(), work or Work()
    network = _placed(arch, own, work)
    for diagnostic in own.diagnostics:
        if advise and diagnostic.slug in _OF_SIZE and arch.image.size is not None:
            trials = work.part(_FITTING)
            sizes = fitting_inputs(arch.image.size, partial(_fits, arch, trials))
            work.rejoin(trials)
            if sizes:
                which = "inputs that fit everywhere are" if len(sizes) > 1 else "input that fits everywhere is"
                nearest = f"the nearest {which} {' and '.join(map(str, sizes))}"
                diagnostic = replace(diagnostic, help=f"{diagnostic.help}; {nearest}" if diagnostic.help else nearest)
        report.add(diagnostic)
    return network


def _fits(arch: Arch, work: Work, size: Size) -> bool:
    if work.left <= 0:
        return False
    return _placed(replace(arch, image=arch.image.with_size(size)), Report(), work, first=False) is not None


def _placed(arch: Arch, report: Report, work: Work, *, first: bool = True) -> Network | None:
    """The network; what does not depend on the input is looked at the `first` time only."""
    try:
        if first:
            check_size(arch, work, report)
        return Placer(arch, report, work).network()
    except Reported:
        return None


class Placer:
    """Places an arch whole, by `network`, or one of its lines or parts. `values` has the maps that parts read by name."""

    def __init__(self, arch: Arch, report: Report, work: Work) -> None:
        self.arch = arch
        self.report = report
        self.work = work
        self.trace = Trace(arch.image, arch.image_span)
        self.values: dict[str, PlacedStage | Placed] = {}
        self.traces: dict[str, Trace] = {}
        self.where = ""
        self.stage: Stage | None = None

    def network(self) -> Network:
        arch = self.arch
        self.where = "the stem"
        graph.check_stem(arch, self.report)
        stem = self._section(arch.stem, arch.image, "stem") if arch.stem else None
        start = stem.y if stem else arch.image
        if stem:
            self.values[""] = stem
        self.traces[""] = self.trace
        reads = graph.given(arch)
        order = graph.order(arch, reads, self.report)
        stages = {stage.name: stage for stage in arch.stages}
        others = {value.name: value for value in (*arch.nodes, *arch.heads)}
        for name in order:
            source = reads[name]
            before = self.values[source].y if source else start
            self.trace = Trace(arch.image, arch.image_span, list(self.traces[source].steps))
            if name in stages:
                self.values[name] = self._stage(stages[name], before)
            else:
                self.where = f"`{name}`" if name != "head" else "the head"
                self.stage = None
                self.values[name] = self._section(others[name].part, before, name)
            self.traces[name] = self.trace
        self.where = "`logits`"
        logits = self._named(self.part(arch.logits, start))
        reached = {part.value for part in walk_parts(arch.logits) if isinstance(part, Read)}
        network = Network(
            name=arch.name,
            image=arch.image,
            classes=arch.classes or logits.y.channels,
            stem=stem,
            stages=tuple(stages),
            nodes=tuple(node.name for node in arch.nodes),
            heads=tuple(head.name for head in arch.heads),
            values={name: self.values[name] for name in order},
            reads=reads,
            logits=logits,
            trained_only=frozenset(head.name for head in arch.heads if head.name not in reached),
            preprocess=arch.preprocess,
        )
        check_network(network, arch, self.report)
        graph.warn_of_unread(arch, reads, self.report)
        return network

    # --- limits -------------------------------------------------------------------------------------------------

    def _check_map(self, y: FeatureMap, span: Span) -> None:
        if y.elements > limits.ELEMENTS:
            self.report.fail(
                "limit-exceeded",
                f"a map may have at most {limits.ELEMENTS:_} elements",
                span,
                f"{y} has {y.elements:_}, in {self.where}",
            )

    # --- stages -------------------------------------------------------------------------------------------------

    def _section(self, part: Part, x: FeatureMap, name: str) -> Placed:
        placed = self._named(self.part(part, x))
        if x.size and placed.y.size and x.size != placed.y.size:
            self.trace.steps.append((name, x.size, placed.y.size))
        return placed

    def _named(self, placed: Placed) -> Placed:
        return named([placed])[0]

    def _stage(self, stage: Stage, x: FeatureMap) -> PlacedStage:
        name = stage.name
        self.stage = stage
        here = x
        source = down = tail = None
        if stage.source is not None:
            self.where = f"`{name}.from`"
            source = self._section(stage.source, here, f"{name}.from")
            here = source.y
        if stage.down is not None:
            self.where = f"`{name}.down`"
            down = self._section(stage.down, here, f"{name}.down")
            here = down.y
        placed: dict[tuple[int, FeatureMap], PlacedBlock] = {}
        blocks = []
        for index, block in enumerate(stage.blocks):
            key = (id(block.lines), here)
            if key not in placed:
                self.where = f"block {index} of `{name}`"
                placed[key] = self.block(block.lines, here)
            after = placed[key].y
            if here.size and after.size and after.size != here.size:
                self.trace.steps.append((f"{name}.{index}", here.size, after.size))
            blocks.append(placed[key])
            here = after
        self._check_dim(stage, blocks)
        if stage.tail is not None:
            self.where = f"`{name}.tail`"
            tail = self._section(stage.tail, here, f"{name}.tail")
            here = tail.y
        sections = [part.cost for part in (source, down, tail) if part]
        cost = Cost.total([*sections, *(block.cost for block in blocks)])
        rates = tuple(block.drop_rate for block in stage.blocks)
        return PlacedStage(name, source, down, tuple(blocks), rates, tail, x, here, cost)

    def _check_dim(self, stage: Stage, blocks: list[PlacedBlock]) -> None:
        # a last block may end wider: one that has the channels is enough
        if stage.dim is not None and all(block.y.channels != stage.dim for block in blocks):
            y = blocks[-1].y
            first = stage is self.arch.stages[0] and stage.down is None
            brings = (
                f"let the stem end with `out = {stage.dim}`" if first else "let its `down` bring them: `conv(3x3, stride = 2)`"
            )
            origin = stage.dim_origin
            self.report.fail(
                "dim-mismatch",
                f"stage `{stage.name}` says dim = {stage.dim}, and its blocks give {y.channels} channels",
                origin.span if origin else stage.span,
                f"the map is {y} after the blocks of `{stage.name}`",
                notes=origin_notes(origin) if origin else [],
                help=f"{brings}, or correct `dim`",
            )

    def block(self, lines: tuple[Line, ...], x: FeatureMap) -> PlacedBlock:
        """Lines one after the other."""
        here = x
        bodies: list[Placed] = []
        skips: list[Placed | None] = []
        costs: list[Cost] = []
        for line in lines:
            body = self.part(line.body, here)
            skip = self.part(line.skip, here, branch=body.y) if line.skip else None
            costs.append(body.cost)
            if skip:
                costs.append(skip.cost)
            if line.residual:
                kept = skip.y if skip else here
                # a branch may update some of the tokens
                if kept != body.y and kept.place_of(body.y) is None:
                    self._skip_shape(line, kept, body.y, skip is not None)
                costs.append(Cost(unseen={"add": body.y.elements}))
            bodies.append(body)
            skips.append(skip)
            here = kept if line.residual else body.y
        bodies = named(bodies)
        below = iter(named([skip for skip in skips if skip]))
        placed = tuple(
            PlacedLine(line.residual, body, next(below) if skip else None)
            for line, body, skip in zip(lines, bodies, skips, strict=True)
        )
        return PlacedBlock(placed, x, here, Cost.total(costs))

    def _skip_shape(self, line: Line, kept: FeatureMap, branch: FeatureMap, written: bool) -> None:
        help = "make the skip path end with the shape of the branch" if written else "add `skip fit(conv(1x1) -> batchnorm)`"
        if not written and kept.channels == branch.channels and kept.size != branch.size:
            help = "keep the size in the branch, or bring the skip path to it: `skip avgpool(2x2)`"
        if not written and kept.channels != branch.channels and kept.size == branch.size:
            help = f"let the branch end with {kept.channels} channels, or add `skip fit(conv(1x1))`"
        self.report.fail(
            "skip-shape",
            "a branch and its skip path must have one shape",
            line.span,
            f"in {self.where}: {kept} joins {branch}",
            help=help,
        )

    # --- parts --------------------------------------------------------------------------------------------------

    def part(self, part: Part, x: FeatureMap, *, branch: FeatureMap | None = None) -> Placed:
        """A part where `x` comes in; `branch` is what a skip path has to fit. Names are not given yet."""
        self.work.spend(1, part.span, self.report)
        match part:
            case Leaf():
                return self._leaf(part, x)
            case Identity() | DropPath():
                return Placed(part, x, x)
            case Read():
                return Placed(part, x, self.values[part.value].y)
            case Resize():
                return self._resize(part, x)
            case Chain():
                return self._chain(part, x, branch)
            case Sum():
                return self._sum(part, x, branch)
            case Concat():
                children = tuple(self.part(inner, x) for inner in part.parts)
                self._agree(part, children, "`concat` joins maps of one size", channels=False)
                y = children[0].y.with_channels(sum(child.y.channels for child in children))
                self._check_map(y, part.span)
                return Placed(part, x, y, children, cost=Cost.total(child.cost for child in children))
            case Split():
                return self._split(part, x)
            case Fit():
                if branch is None:
                    self.report.fail(
                        "fit-outside-skip",
                        "`fit` brings a skip path to the shape of its branch",
                        part.span,
                        "there is no branch to fit here",
                        help="write it after `skip`: `residual ... skip fit(conv(1x1))`; elsewhere write the part itself",
                    )
                if x == branch:
                    return Placed(part, x, x)
                child = self.part(part.part, x)
                return Placed(part, x, child.y, (child,), cost=child.cost)

    def _resize(self, part: Resize, x: FeatureMap) -> Placed:
        like = self.values[part.value].y
        for here, words in ((x, "what comes in"), (like, f"`{part.value or 'stem'}`")):
            if here.size is None or here.tokens:
                self.report.fail(
                    "shape-mismatch",
                    "`resize` brings one map to the size of another",
                    part.span,
                    f"{words} is {here}, in {self.where}",
                    help="a map has height and width, and no tokens beside",
                )
        y = x.with_size(like.size)
        self._check_map(y, part.span)
        # four operations an element of the result, by fvcore's rules; also where the size is right already
        return Placed(part, x, y, cost=Cost({"upsample_bilinear2d": 4 * y.elements}))

    def _leaf(self, part: Leaf, x: FeatureMap) -> Placed:
        component = part.component
        site = PlacedSite(self.report, part, x, self.trace, self.where, self.stage)
        for entry in component.schema.fields:
            value = getattr(component, entry.name)
            if entry.divides == "channels" and isinstance(value, int):
                site.require_divides(entry.name, value, x.channels)
        with answering(part, self.report):
            y = component.shape(x, site)
            cost = component.cost(x)
            # asked for again by name and by count: a component that fails does so here, where its text is known
            component.weights(x)
            component.buffers(x)
        self._check_map(y, part.span)
        return Placed(part, x, y, cost=cost)

    def _chain(self, part: Chain, x: FeatureMap, branch: FeatureMap | None) -> Placed:
        children = []
        here = x
        steps = len(self.trace.steps)
        for inner in part.parts:
            child = self.part(inner, here, branch=branch)
            children.append(child)
            if here.size and child.y.size and here.size != child.y.size and isinstance(inner, Leaf):
                # told only while later parts of the chain may refuse; the whole section is one step afterwards
                self.trace.steps.append((inner.label or inner.component.schema.name, here.size, child.y.size))
            here = child.y
        del self.trace.steps[steps:]
        return Placed(part, x, here, tuple(children), cost=Cost.total(child.cost for child in children))

    def _sum(self, part: Sum, x: FeatureMap, branch: FeatureMap | None) -> Placed:
        children = tuple(self.part(inner, x, branch=branch) for inner in part.parts)
        self._agree(part, children, "`+` adds maps of one shape", channels=True)
        y = children[0].y
        if any(child.y != y for child in children):
            # one token and a pooled vector may be added; the sum is neither
            y = y.with_tokens()
        unseen = {}
        if len(children) > 1:
            unseen["add"] = (len(children) - 1) * y.elements
        scaled = sum(scale not in (1.0, -1.0) for scale in part.scales) + (part.scales[0] == -1.0)
        if scaled:
            unseen["mul"] = scaled * y.elements
        cost = Cost.total([*(child.cost for child in children), Cost(unseen=unseen) if unseen else FREE])
        return Placed(part, x, y, children, cost=cost)

    def _agree(self, part: Sum | Concat, children: tuple[Placed, ...], message: str, *, channels: bool) -> None:
        first = children[0].y
        for child in children[1:]:
            # one token, a pooled vector: both are [B, C]. Otherwise tokens stand in the order of their names
            alike = child.y.size == first.size and (child.y.tokens == first.tokens or child.y.positions == first.positions == 1)
            if not alike or (channels and child.y.channels != first.channels):
                apart = Agreement(children[0], child, self.values, channels)
                self.report.fail(
                    "sum-mismatch",
                    message,
                    child.part.span,
                    f"{child.y} here, in {self.where}",
                    notes=[Note(f"{first} here", children[0].part.span)],
                    help=apart.help_in_logits(self.arch.classes) if self.where == "`logits`" else apart.help(),
                )

    def _split(self, part: Split, x: FeatureMap) -> Placed:
        count = len(part.parts)
        if part.sizes is None and x.channels % count:
            self.report.fail(
                "split-mismatch",
                "`split` cuts the channels into equal groups",
                part.span,
                f"{x.channels} channels, {count} parts, in {self.where}",
                help="give the sizes: `split([m, n], a, b)`",
            )
        sizes = part.sizes or (x.channels // count,) * count
        if sum(sizes) != x.channels or min(sizes) < 1:
            self.report.fail(
                "split-mismatch",
                "the sizes of `split` add up to the channels",
                part.span,
                f"{' + '.join(map(str, sizes))} = {sum(sizes)}, and {x.channels} channels come in, in {self.where}",
                help="correct the sizes",
            )
        children = tuple(self.part(inner, x.with_channels(size)) for inner, size in zip(part.parts, sizes, strict=True))
        first = children[0].y
        for child in children[1:]:
            if child.y.size != first.size:
                self.report.fail("sum-mismatch", "the parts of `split` must keep one size", child.part.span, f"{child.y} here")
        y = first.with_channels(sum(child.y.channels for child in children))
        return Placed(replace(part, sizes=sizes), x, y, children, cost=Cost.total(child.cost for child in children))
