"""The graph of an arch: what each value is given, and an order in which everything is computed before it is read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from archdsl.ir.part import Arch, Part, Read, Resize, Stage, Value, first_reads, walk_parts
from archdsl.source.diagnostic import Report
from archdsl.source.text import Span

# of a circle that is longer, the middle is left out
_SHOWN = 8


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
        first = next(iter(first_reads(part)), None)
        if first is not None:
            reads[name] = first.value
    return reads


def _sources(arch: Arch) -> Iterator[tuple[str, Part, Span]]:
    for stage in arch.stages:
        if stage.source is not None:
            yield stage.name, stage.source, stage.span
    for value in (*arch.nodes, *arch.heads):
        yield value.name, value.part, value.span


def _needs(value: Stage | Value) -> Iterator[Read | Resize]:
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
            if isinstance(inner, Read | Resize):
                yield inner


def check_stem(arch: Arch, report: Report) -> None:
    """Refuse a stem that reads a value: everything else is computed after it."""
    for part in walk_parts(arch.stem) if arch.stem else ():
        if isinstance(part, Read | Resize):
            report.fail(
                "graph-cycle",
                "the stem is computed first, and can read no other value",
                part.span,
                f"`{part.value}` is a stage, a node or a head" if part.value else "the stem reads itself here",
                help="rename it if a component is meant here; what reads several values is a node or a stage's `from`",
            )


def order(arch: Arch, reads: dict[str, str], report: Report) -> list[str]:
    """The values in an order in which each comes after all that it reads, otherwise as written."""
    everything: list[Stage | Value] = [*arch.stages, *arch.nodes, *arch.heads]
    values = {value.name: value for value in everything}
    spans = {value.name: value.span for value in values.values()}
    needs: dict[str, dict[str, Span]] = {}
    for name, value in values.items():
        # the stem is there before all of them
        needs[name] = {read.value: read.span for read in _needs(value) if read.value}
        if reads[name]:
            needs[name].setdefault(reads[name], spans[name])
    waits = {name: len(needed) for name, needed in needs.items()}
    readers: dict[str, list[str]] = {name: [] for name in values}
    for name, needed in needs.items():
        for need in needed:
            readers[need].append(name)
    # each value one round after the last that it reads; a round is in the order written
    rounds: dict[str, int] = {}
    ready = [name for name in values if not waits[name]]
    while ready:
        now, ready = ready, []
        for name in now:
            rounds[name] = max((rounds[need] + 1 for need in needs[name]), default=0)
            for reader in readers[name]:
                waits[reader] -= 1
                if not waits[reader]:
                    ready.append(reader)
    if len(rounds) < len(values):
        _circle({name: needs[name] for name in values if name not in rounds}, spans, report)
    return sorted(values, key=rounds.__getitem__)


def _circle(needs: dict[str, dict[str, Span]], spans: dict[str, Span], report: Report) -> None:
    path = dict.fromkeys([next(iter(needs))])
    while True:
        last = next(reversed(path))
        following = next(need for need in needs[last] if need in needs)
        if following in path:
            names = list(path)
            circle = [*names[names.index(following) :], following]
            edges = list(itertools.pairwise(circle))
            # what is read by name rather than by its place is the likelier mistake
            reader, read = next(((a, b) for a, b in edges if needs[a][b] != spans[a]), edges[-1])
            report.fail(
                "graph-cycle",
                "values read each other in a circle",
                needs[reader][read],
                shown_circle(reversed(circle)),
                help="a value can read only what is computed before it",
            )
        path[following] = None


def shown_circle(names: Iterable[str]) -> str:
    """A circle of names as a reader sees it, the middle of a long one left out."""
    words = [f"`{name}`" for name in names]
    if len(words) > _SHOWN:
        words[_SHOWN - 2 : -2] = [f"... {len(words) - _SHOWN} more ..."]
    return " -> ".join(words)


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
