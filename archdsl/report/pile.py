"""A part on several short lines, as the cell of a table has it."""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.ir import part as parts
from archdsl.ir.network import Placed
from archdsl.report.parts import text
from archdsl.report.written import written_fields

# what is longer is broken where it can be
_ROOM = 24


def pile(placed: Placed) -> str:
    """A part line by line: a component's fields below its name, a chain's and a sum's parts below each other.

    As in a spec a sum binds tighter than `->`. The parts of a `split` or `concat` are set in below it; each begins where no
    line has an arrow or a plus.
    """
    part = placed.part
    if isinstance(part, parts.Leaf):
        said = written_fields(part.component, part.arguments)
        return "\n".join([part.component.schema.name, *(f"  {entry}" for entry in said)])
    return "\n".join(_lines(placed))


def _lines(placed: Placed) -> list[str]:
    part, shown = placed.part, text(placed)
    chain = _chain(placed)
    if len(shown) <= _ROOM and not (len(chain) > 1 and "(" in shown):
        return [shown]
    if len(chain) > 1:
        return [line for at, inner in enumerate(chain) for line in _behind("-> " if at else "", _lines(inner))]
    if len(chain) == 1 and chain[0] is not placed:
        return _lines(chain[0])
    match part:
        case parts.Leaf():
            return _call(part)
        case parts.Sum(scales=scales):
            return [
                line
                for at, (scale, inner) in enumerate(zip(scales, placed.children, strict=True))
                for line in _behind("+ " * (at > 0) + f"{scale:g} * " * (scale != 1), _operand(inner))
            ]
        case parts.Split(sizes=sizes):
            return _below(f"split {list(sizes)}" if sizes else "split", placed.children)
        case parts.Concat():
            return _below("concat", placed.children)
        case parts.Fit():
            return _below("fit", placed.children)
        case _:
            return [shown]


def _chain(placed: Placed) -> list[Placed]:
    """The parts of a chain, with those of chains in it; what is no chain is its only part."""
    if not isinstance(placed.part, parts.Chain):
        return [placed]
    return [inner for child in placed.children for inner in _chain(child)]


def _operand(placed: Placed) -> list[str]:
    """A part of a sum; what binds less gets parentheses."""
    lines = _lines(placed)
    if len(_chain(placed)) < 2 and not isinstance(placed.part, parts.Sum):
        return lines
    first, *rest = lines
    *rest, last = [f"({first}", *(f" {line}" for line in rest)]
    return [*rest, f"{last})"]


def _below(head: str, inner: Sequence[Placed]) -> list[str]:
    return [head, *(f"  {line}" for each in inner for line in _lines(each))]


def _behind(word: str, lines: list[str]) -> list[str]:
    """The lines with a word before the first, the others set in by as much."""
    return [word + lines[0], *(" " * len(word) + line for line in lines[1:])]


def _call(leaf: parts.Leaf) -> list[str]:
    """A call over several lines, as many fields on each as there is room for."""
    *fields, last = written_fields(leaf.component, leaf.arguments)
    lines = [f"{leaf.component.schema.name}("]
    for entry in (*(f"{field}," for field in fields), f"{last})"):
        longer = lines[-1] + " " * (not lines[-1].endswith("(")) + entry
        if len(longer) <= _ROOM:
            lines[-1] = longer
        else:
            lines.append(f"  {entry}")
    return lines
