"""Names with places for numbers: `stages.{i}.{2*j+1}.token`. Free of torch."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

_HOLE = re.compile(r"\{([^{}]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_.]*")
_RANGE = re.compile(r"([a-z][a-z0-9_]*)=([0-9]{1,6})\.\.([0-9]{1,6})")
_TERM = re.compile(r"([+-]?)(?:([0-9]{1,6})(?:\*([a-z][a-z0-9_]*))?|([a-z][a-z0-9_]*))")
_NUMBER = "(0|[1-9][0-9]{0,8})"
COMBINATIONS = 1_000


class BadPattern(ValueError):
    """A pattern that cannot be read; its text says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """A number that depends on variables: the sum of `factors` times their variables, and `constant`."""

    factors: Mapping[str, int]
    constant: int

    def fixed(self, values: Mapping[str, int]) -> Form:
        """The form with some variables given."""
        known = sum(factor * values[name] for name, factor in self.factors.items() if name in values)
        return Form({n: f for n, f in self.factors.items() if n not in values}, self.constant + known)

    def value(self, values: Mapping[str, int]) -> int | None:
        """The number, where it is none below zero."""
        number = self.constant + sum(factor * values[name] for name, factor in self.factors.items())
        return number if number >= 0 else None

    def solve(self, number: int) -> tuple[str, int] | None:
        """The variable and the value that give `number`; the form has one variable."""
        (name, factor) = next(iter(self.factors.items()))
        value, rest = divmod(number - self.constant, factor)
        return (name, value) if rest == 0 and value >= 0 else None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name: texts, and forms between them. `ranges` has the variables whose values are written out."""

    pieces: tuple[str | Form, ...]
    ranges: Mapping[str, range]

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(name for form in self._forms for name in form.factors)

    def fixed(self, values: Mapping[str, int]) -> Pattern:
        """The pattern with some variables given."""
        return replace(self, pieces=tuple(p.fixed(values) if isinstance(p, Form) else p for p in self.pieces))

    def name(self, values: Mapping[str, int]) -> str | None:
        """The name for some values of all variables; None where a number would be below zero."""
        pieces = [piece.value(values) if isinstance(piece, Form) else piece for piece in self.pieces]
        return None if None in pieces else "".join(map(str, pieces))

    def matcher(self) -> re.Pattern[str]:
        """Matches the name and all names below it; the last group is the rest, the others the numbers."""
        texts = (re.escape(p) if isinstance(p, str) else str(p.constant) if not p.factors else _NUMBER for p in self.pieces)
        return re.compile("".join(texts) + r"((?:\..*)?)")

    def values(self, numbers: tuple[str, ...]) -> dict[str, int] | None:
        """The variables from the numbers that `matcher` found; None where none fit."""
        found: dict[str, int] = {}
        for form, number in zip((form for form in self._forms if form.factors), numbers, strict=True):
            solved = form.solve(int(number))
            if solved is None or found.setdefault(*solved) != solved[1]:
                return None
        return found

    @property
    def _forms(self) -> Iterator[Form]:
        return (piece for piece in self.pieces if isinstance(piece, Form))


def read_pattern(text: str) -> Pattern:
    """Read a pattern. Raises `BadPattern`."""
    pieces: list[str | Form] = []
    ranges: dict[str, range] = {}
    end = 0
    for hole in _HOLE.finditer(text):
        pieces.append(_literal(text[end : hole.start()]))
        if pieces[-1] == "" and end:
            raise BadPattern("two numbers need something between them")
        if found := _RANGE.fullmatch(hole[1]):
            name, low, high = found[1], int(found[2]), int(found[3])
            if name in ranges:
                raise BadPattern(f"the range of `{name}` is written twice")
            if not low <= high < low + COMBINATIONS:
                raise BadPattern(f"the range of `{name}` has between 1 and {COMBINATIONS} numbers, the lower first")
            ranges[name] = range(low, high + 1)
            pieces.append(Form({name: 1}, 0))
        else:
            pieces.append(_form(hole[1]))
        end = hole.end()
    pieces.append(_literal(text[end:]))
    if any(not segment for segment in _HOLE.sub("0", text).split(".")):
        raise BadPattern("a name has words between its points")
    return Pattern(tuple(pieces), ranges)


def expanded(official: Pattern, own: Pattern) -> list[tuple[Pattern, Pattern]]:
    """Both sides of a rule for each combination of the variables that have a range. Raises `BadPattern`.

    Every form that is left has at most one variable, so that it can be solved for it.
    """
    ranges = {**official.ranges, **own.ranges}
    if set(official.ranges) & set(own.ranges):
        raise BadPattern("a range is written on one side only")
    if official.variables != own.variables:
        name = min(official.variables ^ own.variables)
        raise BadPattern(f"`{name}` must stand on both sides")
    total = 1
    for values in ranges.values():
        total *= len(values)
    if total > COMBINATIONS:
        raise BadPattern(f"the ranges make {total} combinations, at most {COMBINATIONS} are allowed")
    found = []
    for combination in itertools.product(*ranges.values()):
        values = dict(zip(ranges, combination, strict=True))
        sides = official.fixed(values), own.fixed(values)
        for form in (piece for side in sides for piece in side.pieces if isinstance(piece, Form)):
            if len(form.factors) > 1:
                free = " and ".join(f"`{name}`" for name in sorted(form.factors))
                raise BadPattern(f"a number can depend on one variable without a range, not on {free}")
            if any(factor < 1 for factor in form.factors.values()):
                raise BadPattern("a variable is multiplied by 1 or more")
            if not form.factors and form.constant < 0:
                raise BadPattern("a number is 0 or more")
        found.append(sides)
    return found


def _literal(text: str) -> str:
    if not _LITERAL.fullmatch(text):
        raise BadPattern("a name is made of letters, digits, `_` and `.`, with numbers in `{ }`")
    return text


def _form(text: str) -> Form:
    factors: dict[str, int] = {}
    constant = 0
    end = 0
    while end < len(text) and (term := _TERM.match(text, end)) and (term[1] or end == 0):
        sign = -1 if term[1] == "-" else 1
        name = term[3] or term[4]
        if name:
            factors[name] = factors.get(name, 0) + sign * int(term[2] or 1)
        else:
            constant += sign * int(term[2])
        end = term.end()
    if not text or end < len(text):
        raise BadPattern("a number is written like `{i}`, `{i+1}`, `{2*i+1}`, or with a range `{i=0..2}`")
    return Form(factors, constant)
