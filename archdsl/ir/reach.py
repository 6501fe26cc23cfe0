"""Which values of a network are computed, and from what. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.ir import part as parts
from archdsl.ir.network import Network, Placed, PlacedStage


def inside(placed: Placed | None) -> Iterator[Placed]:
    """A placed part and everything in it, in reading order."""
    if placed is not None:
        yield placed
        for child in placed.children:
            yield from inside(child)


def read_values(placed: Placed | None) -> frozenset[str]:
    """The names of the values that a placed part reads by name."""
    return frozenset(found.part.value for found in inside(placed) if isinstance(found.part, parts.Read | parts.Resize))


def sources(network: Network, name: str) -> frozenset[str]:
    """The values that a stage, node or head is computed from; "" is the output of the stem."""
    value = network.values[name]
    if isinstance(value, PlacedStage):
        pieces = [value.source, value.down, value.tail]
        for block in value.blocks:
            for line in block.lines:
                pieces += [line.body, line.skip]
        found = frozenset[str]().union(*(read_values(piece) for piece in pieces))
        given = value.source is None or not parts.first_reads(value.source.part)
    else:
        found = read_values(value)
        given = not parts.first_reads(value.part)
    return found | {network.reads.get(name, "")} if given else found


def reached(network: Network, names: Iterable[str]) -> tuple[str, ...]:
    """The values that the named ones need, themselves among them, in the order of computation; "" is left out."""
    wanted = set(names)
    for name in reversed(network.values):
        if name in wanted:
            wanted |= sources(network, name)
    return tuple(name for name in network.values if name in wanted)


def evaluated(network: Network) -> tuple[str, ...]:
    """The values that are computed in evaluation: what `logits` reaches."""
    return reached(network, read_values(network.logits))
