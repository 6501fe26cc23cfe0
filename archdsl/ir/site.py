"""The place where a component is used, as the component sees it: a way to refuse with the caret under the right words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from archdsl.ir.part import Leaf, Origin, Stage
from archdsl.ir.values import origin_notes
from archdsl.schema import registry
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.record import dataclass, field
from archdsl.source.text import Span

# a size that comes through more places than this is told from its last ones
_MAX_STEPS = 6


@dataclass(slots=True)
class Trace:
    """How the map came to its size: the places that changed it, and where the input is written."""

    image: FeatureMap
    image_span: Span
    steps: list[tuple[str, Size, Size]] = field(default_factory=list)

    def step(self, size: Size, by: Size) -> Size | None:
        """The input's step at which a map of this size comes in steps of `by`; None where it is not the one last traced."""
        if self.note(size) is None:
            return None
        tall, wide = by
        for _, before, after in self.steps:
            tall, wide = tall * round(before.height / after.height), wide * round(before.width / after.width)
        return Size(tall, wide)

    def note(self, size: Size) -> Note | None:
        """Where a size came from; None where it is not the one last traced."""
        last = self.steps[-1][2] if self.steps else self.image.size
        if last != size or self.image.size is None:
            return None
        if not self.steps:
            return Note(f"{size} is the input's own size", self.image_span)
        words = [str(self.image.size)]
        steps = self.steps
        if len(steps) > _MAX_STEPS:
            words = ["...", str(steps[-_MAX_STEPS][1])]
            steps = steps[-_MAX_STEPS:]
        for where, before, after in steps:
            words.append(f"/ {_ratio(before, after)} ({where})")
        return Note(f"{size} comes from the input: {' '.join(words)}", self.image_span)


def _ratio(before: Size, after: Size) -> str:
    tall, wide = round(before.height / after.height), round(before.width / after.width)
    return str(tall) if tall == wide else f"{tall}x{wide}"


@dataclass(slots=True)
class PlacedSite:
    """The `Site` of one component: its text, its input, and where to report."""

    report: Report
    leaf: Leaf
    x: FeatureMap
    trace: Trace
    where: str
    stage: Stage | None = None

    def require(self, holds: bool, message: str, *, field: str | None = None, label: str = "", help: str = "") -> None:
        if not holds:
            self._refuse("field-mismatch", message, field, label, help)

    def require_map(self, x: FeatureMap) -> Size:
        name = self.leaf.component.schema.name
        if x.tokens:
            self._refuse(
                "shape-mismatch",
                f"`{name}` needs a map, with height and width and nothing beside",
                None,
                f"the map is {x} here" if x.size else f"the map is {x} here, without a grid",
                _to_grid(x),
            )
        if x.size is None:
            self._refuse(
                "shape-mismatch",
                f"`{name}` needs a map, with height and width",
                None,
                "after pooling only channels are left",
                "move it before the pooling",
            )
        assert x.size is not None
        return x.size

    def require_divisible(self, size: Size, by: Size, *, field: str, help: str = "") -> None:
        if size.height % by.height or size.width % by.width:
            name = self.leaf.component.schema.name
            step = self.trace.step(size, by)
            other = f"use a multiple of {step} as input" if step else f"use an input whose map is a multiple of {by} here"
            self._refuse(
                "shape-mismatch",
                f"`{name}` needs a map divisible by its {by} {field}",
                None,
                f"the map is {size} here",
                f"{other}, or {help}" if help else other,
                field,
            )

    def require_divides(self, field: str, value: int, channels: int) -> None:
        """Refuse a field that does not divide the channels that come in."""
        if value < 1 or channels % value:
            name = self.leaf.component.schema.name
            self._refuse(
                "not-divisible",
                f"`{field}` of `{name}` must divide the channels",
                field,
                f"{channels} channels come in, and {value} does not divide them",
                f"choose a `dim` that is a multiple of {value}, or another `{field}`",
                more=self._dim_notes(channels),
            )

    def _dim_notes(self, channels: int) -> list[Note]:
        """Where the channels come from, if they are the stage's `dim`."""
        stage = self.stage
        if stage is None or stage.dim != channels or stage.dim_origin is None:
            return []
        origin = stage.dim_origin
        return [Note(f"{channels} is the `dim` of `{stage.name}`", origin.span), *origin_notes(origin)]

    def _refuse(
        self,
        slug: str,
        message: str,
        field: str | None,
        label: str,
        help: str,
        about: str | None = None,
        more: Sequence[Note] = (),
    ) -> None:
        origin = self.leaf.arguments.get(field) if field else None
        span = _word(self.leaf.span)
        notes: list[Note] = []
        if origin is not None:
            span, notes = self._argument(origin)
        elif about is not None and about in self.leaf.arguments:
            written, _ = self._argument(self.leaf.arguments[about])
            if not _inside(written, self.leaf.span):
                notes = [Note(f"`{about}` is written here", written)]
        size = self.x.size
        told = size is not None and (slug == "shape-mismatch" or f"{size} here" in label)
        size_note = self.trace.note(size) if size and told else None
        if size_note:
            notes = [*notes, size_note]
        where = f"in {self.where}"
        self.report.fail(slug, message, span, f"{label}, {where}" if label else where, notes=[*notes, *more][:3], help=help)

    def _argument(self, origin: Origin) -> tuple[Span, list[Note]]:
        return origin.span, origin_notes(origin)


@contextmanager
def answering(leaf: Leaf, report: Report) -> Iterator[None]:
    """Asks a component something. What goes wrong in one of another package is told as the fault of that package."""
    try:
        yield
    except Reported:
        raise
    except Exception as error:
        name = leaf.component.schema.name
        owner = registry.distribution(name)
        if owner == "archdsl":
            raise
        report.fail(
            "broken-plugin",
            f"the component `{name}` of the package `{owner}` fails here",
            _word(leaf.span),
            f"{type(error).__name__}: {error}",
            help=f"repair or remove `{owner}`",
        )


def _to_grid(x: FeatureMap) -> str:
    """How a map with tokens beside becomes one without."""
    if x.size is not None:
        extra = " and ".join(token.name for token in x.tokens)
        return f'move it before the {extra} tokens are added, or write `select("patches")` before it'
    if x.positions == 1:
        return "leave it out: one token is like a pooled map, and a head may go on with `linear`"
    return 'pool the tokens with `mean`, or select the grid in their place: `select("patches")`'


def _word(span: Span) -> Span:
    """The name at the start of a call, which stands for it."""
    name = span.text.partition("(")[0].rstrip()
    return Span(span.source, span.start, span.start + len(name)) if name else span


def _inside(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end
