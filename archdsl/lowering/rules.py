"""What a key map says, rule by rule, and which rules are about a name. Free of torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, NamedTuple, Protocol, TypeVar

from archdsl.lowering.axes import Axes
from archdsl.lowering.pattern import Pattern, Solver, numbers, skeleton
from archdsl.source.text import Span


class Piece(NamedTuple):
    """One of `count` equal pieces along the first axis, the first one being 0."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"[{self.index}/{self.count}]"


@dataclass(frozen=True, slots=True)
class Place:
    """A pattern of names, and what reads them."""

    span: Span
    pattern: Pattern
    matcher: re.Pattern[str]
    solver: Solver

    def rest(self, name: str) -> str | None:
        """What the name has below the pattern; None where the pattern is not about it."""
        found = self.matcher.fullmatch(name)
        if found is None:
            return None
        *numbers, rest = found.groups()
        return next((rest for _ in self.solver.solutions([int(number) for number in numbers])), None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `keys`: both patterns, and what reads the own one. With a `piece` the official tensor is part of it."""

    span: Span
    official: Pattern
    own: Pattern
    matcher: re.Pattern[str]
    solver: Solver
    piece: Piece | None

    @property
    def pattern(self) -> Pattern:
        return self.own

    def official_names(self, own: str) -> list[str]:
        """The official names of an own one: none where the rule is not about it, several where its ranges overlap."""
        found = self.matcher.fullmatch(own)
        if found is None:
            return []
        *numbers, rest = found.groups()
        names = (self.official.name(values) for values in self.solver.solutions([int(number) for number in numbers]))
        return [name + rest for name in names if name is not None]


@dataclass(frozen=True, slots=True)
class Shape:
    """One line of `shapes`: official names, and the axes that their tensors have there."""

    place: Place
    axes: Axes

    @property
    def pattern(self) -> Pattern:
        return self.place.pattern


class _Patterned(Protocol):
    @property
    def pattern(self) -> Pattern: ...


P = TypeVar("P", bound=_Patterned)


class Index(Generic[P]):
    """Rules by the words and the literal numbers of their patterns: of many, a name concerns those that have the same."""

    def __init__(self, rules: Iterable[P]) -> None:
        # by the words, by which of the numbers are literal, by these numbers
        self._alike: dict[str, dict[tuple[int, ...], dict[tuple[str, ...], list[tuple[int, P]]]]] = {}
        for entry in enumerate(rules):
            pattern = entry[1].pattern
            literal = {index: number for index, number in enumerate(pattern.numbers) if number is not None}
            alike = self._alike.setdefault(pattern.skeleton, {}).setdefault(tuple(literal), {})
            alike.setdefault(tuple(literal.values()), []).append(entry)
        self._longest = max(map(len, self._alike), default=0)

    def near(self, name: str) -> list[P]:
        """The rules that may be about a name, in their order."""
        given = numbers(name)
        found: list[tuple[int, P]] = []
        for words in _beginnings(skeleton(name), self._longest):
            for places, alike in self._alike.get(words, {}).items():
                # a name may have as few numbers as it likes, and what stands for one in the words
                if not places or places[-1] < len(given):
                    found += alike.get(tuple(given[place] for place in places), ())
        return [rule for _, rule in sorted(found, key=itemgetter(0))]


def _beginnings(name: str, longest: int) -> Iterator[str]:
    """The name, and the names it is below; those that are no longer than `longest`, as a name may be as long as it likes."""
    end = name.find(".")
    while 0 <= end <= longest:
        yield name[:end]
        end = name.find(".", end + 1)
    if len(name) <= longest:
        yield name
