"""The graph of an arch: what each value is given, and an order in which everything is computed before it is read."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.part import Arch, Chain, Concat, Part, Read, Stage, Sum, Value, walk_parts
from archdsl.source.diagnostic import Report
from archdsl.source.text import Span


def given(arch: Arch) -> dict[str, str]:
    """What each value is given: the stage before it in the text, a head the last stage; "" is the stem."""
    reads: dict[str, str] = {}
    before = ""
    for stage in arch.stages:
        reads[stage.name] = before
        before = stage.name
    for node in arch.nodes:
        reads[node.name] = ""
    for head in arch.heads:
        reads[head.name] = before
    # a value that begins by reading others needs nothing else
    for name, part, _ in _sources(arch):
        first = next(iter(_first_reads(part)), None)
        if first is not None:
            reads[name] = first.value
    return reads


def _sources(arch: Arch) -> Iterator[tuple[str, Part, Span]]:
    for stage in arch.stages:
        if stage.source is not None:
            yield stage.name, stage.source, stage.span
    for value in (*arch.nodes, *arch.heads):
        yield value.name, value.part, value.span


def _needs(value: Stage | Value) -> Iterator[Read]:
    parts: list[Part] = []
    if isinstance(value, Stage):
        parts = [part for part in (value.source, value.down, value.tail) if part]
        lines = {id(block.lines): block.lines for block in value.blocks}
        for block in lines.values():
            for line in block:
                parts += [line.body, *([line.skip] if line.skip else [])]
    else:
        parts = [value.part]
    for part in parts:
        for inner in walk_parts(part):
            if isinstance(inner, Read):
                yield inner


def order(arch: Arch, reads: dict[str, str], report: Report) -> list[str]:
    """The values in an order in which each comes after all that it reads, otherwise as written."""
    everything: list[Stage | Value] = [*arch.stages, *arch.nodes, *arch.heads]
    values = {value.name: value for value in everything}
    spans = {value.name: value.span for value in values.values()}
    needs: dict[str, dict[str, Span]] = {}
    for name, value in values.items():
        needs[name] = {read.value: read.span for read in _needs(value)}
        if reads[name]:
            needs[name].setdefault(reads[name], spans[name])
    ordered: list[str] = []
    done: set[str] = set()
    while len(ordered) < len(values):
        ready = [name for name in values if name not in done and all(need in done for need in needs[name])]
        if not ready:
            _circle({name: needs[name] for name in values if name not in done}, report)
        ordered += ready
        done.update(ready)
    return ordered


def _circle(needs: dict[str, dict[str, Span]], report: Report) -> None:
    path = [next(iter(needs))]
    while True:
        following = next(need for need in needs[path[-1]] if need in needs)
        if following in path:
            circle = [*path[path.index(following) :], following]
            span = needs[circle[-2]][circle[-1]]
            report.fail(
                "graph-cycle",
                "values read each other in a circle",
                span,
                " -> ".join(f"`{name}`" for name in reversed(circle)),
                help="a value can read only what is computed before it",
            )
        path.append(following)


def warn_of_unread(arch: Arch, reads: dict[str, str], report: Report) -> None:
    values: list[Stage | Value] = [*arch.stages, *arch.nodes, *arch.heads]
    read = {reads[value.name] for value in values}
    read |= {need.value for value in values for need in _needs(value)}
    for value in values[: len(values) - len(arch.heads)]:
        if value.name not in read:
            what = "stage" if isinstance(value, Stage) else "node"
            report.warn(
                "not-reached",
                f"nothing reads {what} `{value.name}`",
                value.span,
                "computed for nothing",
                help="read it somewhere, or leave it out",
            )


def _first_reads(part: Part) -> Iterator[Read]:
    """The values that a part begins with."""
    if isinstance(part, Read):
        yield part
    elif isinstance(part, Chain):
        yield from _first_reads(part.parts[0])
    elif isinstance(part, Sum | Concat):
        for inner in part.parts:
            yield from _first_reads(inner)
