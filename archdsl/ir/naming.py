"""Names in the state_dict: a part is called by the word written at its place.

Each level numbers equal names in reading order; only parts with parameters or buffers count, so that an activation more
or less renames nothing. What has no state gets the names that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.ir.network import Placed
from archdsl.ir.part import Leaf
from archdsl.source.record import replace


def named(parts: Iterable[Placed]) -> list[Placed]:
    """The parts of one level with their names, those of the levels inside included."""
    roots = list(parts)
    entries = [entry for root in roots for entry in _entries(root)]
    taken: dict[str, int] = {}
    names: dict[int, str] = {}
    for stateful in (True, False):
        for index, entry in enumerate(entries):
            if has_state(entry) is stateful:
                names[index] = _free(_word(entry), taken)
    ordered = iter([names[index] for index in range(len(entries))])
    return [_renamed(root, ordered) for root in roots]


def has_state(placed: Placed) -> bool:
    """Whether a placed part has parameters or buffers."""
    if isinstance(placed.part, Leaf):
        component = placed.part.component
        return bool(component.weights(placed.x)) or bool(component.buffers(placed.x))
    return any(has_state(child) for child in placed.children)


def _is_entry(placed: Placed) -> bool:
    """Whether a part has a name on its level: a component, or anything else that a let or slot holds."""
    return isinstance(placed.part, Leaf) or (placed.part.label is not None and bool(placed.children))


def _entries(placed: Placed) -> Iterator[Placed]:
    if _is_entry(placed):
        yield placed
    else:
        for child in placed.children:
            yield from _entries(child)


def _word(placed: Placed) -> str:
    if placed.part.label:
        return placed.part.label
    assert isinstance(placed.part, Leaf)
    return placed.part.component.schema.name


def _free(word: str, taken: dict[str, int]) -> str:
    """The word, or the word with the next number that is free; `taken` has the last number given to each."""
    name = word
    while name in taken:
        taken[word] += 1
        name = f"{word}_{taken[word]}"
    taken[name] = 1
    return name


def _renamed(placed: Placed, names: Iterator[str]) -> Placed:
    if _is_entry(placed):
        name = next(names)
        return replace(placed, name=name, children=tuple(named(placed.children)))
    return replace(placed, children=tuple(_renamed(child, names) for child in placed.children))
