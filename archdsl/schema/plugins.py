"""What installed packages bring by entry points, found without importing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from archdsl.source.record import dataclass

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """Something of an installed package that cannot be used, and why."""

    name: str
    distribution: str
    error: str


@dataclass(frozen=True, slots=True)
class Clash:
    """Something of an installed package that is ignored: its name is taken by `kept`, `archdsl` or a distribution."""

    name: str
    distribution: str
    kept: str


def find(group: str, taken: Iterable[str]) -> tuple[dict[str, EntryPoint], tuple[Clash, ...]]:
    """The entry points of a group by name, and those that are ignored because their name is taken."""
    # importlib.metadata costs more than all of a check, so it waits for an unknown name
    from importlib.metadata import entry_points

    taken = frozenset(taken)
    kept: dict[str, EntryPoint] = {}
    ignored = []
    # a fixed order, so that of two packages with one name the same wins everywhere
    for entry in sorted(entry_points(group=group), key=lambda e: (e.name, owner(e), e.value)):
        if entry.name in taken:
            ignored.append(Clash(entry.name, owner(entry), "archdsl"))
        elif entry.name in kept:
            if entry.value != kept[entry.name].value:
                ignored.append(Clash(entry.name, owner(entry), owner(kept[entry.name])))
        else:
            kept[entry.name] = entry
    return kept, tuple(ignored)


def load(entry: EntryPoint, wrong: Callable[[object], str]) -> object:
    """What an entry point names; `BrokenPlugin` if it cannot be imported, or `wrong` says what is wrong with it."""
    try:
        found = entry.load()
        error = wrong(found)
    except (Exception, SystemExit) as raised:
        error = f"{type(raised).__name__}: {raised}".rstrip(": ")
    return BrokenPlugin(entry.name, owner(entry), error) if error else found


def owner(entry: EntryPoint) -> str:
    """The distribution of an entry point."""
    return entry.dist.name if entry.dist else "an unnamed distribution"
