"""Placed parts as texts."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir import part as parts
from archdsl.ir.network import Placed, PlacedBlock, leaves
from archdsl.report.written import written_component, written_first


def text(placed: Placed) -> str:
    """A part as a spec would write it."""
    part, inside = placed.part, placed.children
    match part:
        case parts.Leaf(component=component, arguments=arguments):
            return written_component(component, arguments)
        case parts.Chain():
            return " -> ".join(_term(child, parts.Sum) for child in inside)
        case parts.Sum(scales=scales):
            return " + ".join(
                f"{scale:g} * " * (scale != 1) + _term(child, parts.Sum, parts.Chain)
                for scale, child in zip(scales, inside, strict=True)
            )
        case parts.Split(sizes=sizes):
            said = [] if sizes is None else [f"[{', '.join(map(str, sizes))}]"]
            return f"split({', '.join([*said, *map(text, inside)])})"
        case parts.Concat():
            return f"concat({', '.join(map(text, inside))})"
        case parts.Fit():
            return f"fit({', '.join(map(text, inside))})"
        case parts.DropPath():
            return "drop_path"
        case parts.Read(value=value):
            return value or "stem"
        case parts.Resize(value=value):
            return f"resize({value or 'stem'})"
        case _:
            return "identity"


def _term(placed: Placed, *kinds: type[parts.Part]) -> str:
    """A part inside another; in parentheses where it is one of the kinds, and more than a single component."""
    shown = text(placed)
    return f"({shown})" if isinstance(placed.part, kinds) and len(placed.children) > 1 else shown


# a chain with more parts is cut in the middle where it is told in short
_CHAIN = 4


def outline(part: parts.Part, *, short: bool = True, kernels: bool = False, inside: bool = False) -> str:
    """How a part is put together, by the words that the spec has for what is in it.

    Parameters
    ----------
    short: a part with a label is its label, and a long chain its ends.
    kernels: with the sizes of convolutions and pools.
    inside: leave the label of the part itself aside.
    """

    def below(inner: parts.Part) -> str:
        return outline(inner, short=short, kernels=kernels)

    if part.label and (short or isinstance(part, parts.Leaf)) and not inside:
        return part.label
    match part:
        case parts.Leaf(component=component):
            size = written_first(component) if kernels else ""
            return f"{component.schema.name}({size})" if size else component.schema.name
        case parts.Chain():
            said = list(map(below, part.parts))
            if short and len(said) > _CHAIN:
                said = [*said[:2], f"... {len(said) - 3} more", said[-1]]
            return " -> ".join(said)
        case parts.Sum(scales=scales):
            said = list(map(below, part.parts))
            # a sum binds tighter than `->`
            said = [f"({one})" if " -> " in one and not one.endswith(")") else one for one in said]
            scaled = (f"{scale:g} * " * (scale != 1) + one for scale, one in zip(scales, said, strict=True))
            return f"({' + '.join(scaled)})"
        case parts.Split(sizes=sizes):
            return f"split({', '.join([*([str(list(sizes))] if sizes else []), *map(below, part.parts)])})"
        case parts.Concat():
            return f"concat({', '.join(map(below, part.parts))})"
        case parts.Fit():
            return f"fit({below(part.part)})"
        case parts.DropPath():
            return "drop_path"
        case parts.Read(value=value):
            return value or "stem"
        case parts.Resize(value=value):
            return f"resize({value or 'stem'})"
        case _:
            return "identity"


def slot(block: PlacedBlock, name: str) -> str | None:
    """What a block has in the slot `token` or `channel`; without such a slot, its components made for it."""
    return ", ".join(map(text, slot_parts(block, name))) or None


def slot_parts(block: PlacedBlock, name: str) -> list[Placed]:
    """The part in the slot, or the components made for it."""
    for line in block.lines:
        if found := next(_named(line.body, name), None):
            return [found]
    return [placed for line in block.lines for _, placed in leaves(line.body) if placed.leaf.schema.slot == name]


def _named(placed: Placed, name: str) -> Iterator[Placed]:
    if placed.name == name or placed.part.label == name:
        yield placed
    else:
        for child in placed.children:
            yield from _named(child, name)


def in_turn(values: list[str]) -> list[str] | None:
    """The values of one round, where those of a stage's blocks alternate; a single one where all are equal."""
    # where fewer runs say the same, nothing alternates
    for period in range(1, min(4, len(values), len(runs(values))) + 1):
        if all(value == values[at % period] for at, value in enumerate(values)):
            return values[:period]
    return None


def runs(values: list[str]) -> list[tuple[int, str]]:
    """Equal neighbours together, with their number."""
    found: list[tuple[int, str]] = []
    for value in values:
        if found and found[-1][1] == value:
            found[-1] = (found[-1][0] + 1, value)
        else:
            found.append((1, value))
    return found


def over_blocks(values: list[str]) -> str:
    """What the blocks of a stage have, in short: `a` for all, `cycle(a, b)`, `2 x a, 1 x b`."""
    if turn := in_turn(values):
        return turn[0] if len(turn) == 1 else f"cycle({', '.join(turn)})"
    return ", ".join(f"{many} x {value}" for many, value in runs(values))
