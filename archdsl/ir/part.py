"""Parts: what the expressions of a spec come to once names are resolved. No shapes yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from archdsl.ir.preprocess import Preprocess
from archdsl.schema.component import Component
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass, field
from archdsl.source.text import Span


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written, and the names it went through to get here, nearest first."""

    span: Span
    hops: tuple[tuple[str, Span], ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """One component with all its fields. `arguments` has the origin of each field that was written."""

    component: Component
    span: Span = field(compare=False)
    arguments: Mapping[str, Origin] = field(compare=False, hash=False, default_factory=dict)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """One part after the other."""

    parts: tuple[Part, ...]
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """Parts that read the same map; their outputs, each times its scale, are added."""

    scales: tuple[float, ...]
    parts: tuple[Part, ...]
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """The channels cut into groups, one part for each, and joined again. `sizes` None: equal groups."""

    sizes: tuple[int, ...] | None
    parts: tuple[Part, ...]
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Concat:
    """Parts that read the same map; their outputs are joined along the channels."""

    parts: tuple[Part, ...]
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """In a skip path: nothing where the map already has the branch's shape, else the part."""

    part: Part
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class DropPath:
    """Drops the branch for a whole image in training, with probability `rate`; written out where no `residual` does it."""

    rate: float
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a stage, node or head, at the start of a chain; "" is the stem."""

    value: str
    span: Span = field(compare=False)
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """Bilinear interpolation of a map to the size of the map that a stage or node makes; "" is the stem."""

    value: str
    span: Span = field(compare=False)
    label: str | None = None


Part: TypeAlias = Leaf | Chain | Sum | Split | Concat | Identity | Fit | DropPath | Read | Resize


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a layout: `x + drop_path(body(x))`, `skip(x) + drop_path(body(x))`, or `body(x)` alone."""

    residual: bool
    body: Part
    skip: Part | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """One repetition of a stage's layout. `drop_rate` is that of its residual lines."""

    lines: tuple[Line, ...]
    drop_rate: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage. `source` is its `from` (None: the value before it)."""

    name: str
    dim: int | None
    source: Part | None
    down: Part | None
    blocks: tuple[Block, ...]
    tail: Part | None
    span: Span = field(compare=False)
    dim_origin: Origin | None = field(compare=False, default=None)


@dataclass(frozen=True, slots=True)
class Value:
    """A node or a head: a part that may begin by reading other values."""

    name: str
    part: Part
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Arch:
    """A whole arch, every name resolved. `logits` is what evaluation returns, over the heads; `classes` None: as they come."""

    name: str
    image: FeatureMap
    image_span: Span = field(compare=False)
    classes: int | None
    stem: Part | None
    stages: tuple[Stage, ...]
    nodes: tuple[Value, ...]
    heads: tuple[Value, ...]
    logits: Part
    span: Span = field(compare=False)
    preprocess: Preprocess | None = None


def parts_of(part: Part) -> tuple[Part, ...]:
    """The parts directly inside a part."""
    if isinstance(part, Fit):
        return (part.part,)
    if isinstance(part, Chain | Sum | Split | Concat):
        return part.parts
    return ()


def walk_parts(part: Part) -> Iterator[Part]:
    """A part and all parts inside it, in reading order."""
    stack = [part]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(parts_of(here)))


def first_reads(part: Part) -> tuple[Read, ...]:
    """The values that a part begins with, in reading order; none where it works on what comes in."""
    if isinstance(part, Read):
        return (part,)
    if isinstance(part, Chain):
        return first_reads(part.parts[0])
    if isinstance(part, Sum | Concat):
        inner = [first_reads(each) for each in part.parts]
        return tuple(read for reads in inner for read in reads) if all(inner) else ()
    return ()


def detail(part: Part) -> object:
    """What a part has of its own beside the parts inside it; None for those that have nothing."""
    match part:
        case Leaf():
            return part.component
        case Sum():
            return part.scales
        case Split():
            return part.sizes
        case DropPath():
            return part.rate
        case Read() | Resize():
            return part.value
        case _:
            return None
