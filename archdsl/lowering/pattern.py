"""Names with places for numbers: `stages.{i}.{2*j+1}.token`. Free of torch."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archdsl.source.limits import KEY_MAP_RULES

_HOLE = re.compile(r"\{([^{}]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_.]*")
_RANGE = re.compile(r"([a-z][a-z0-9_]*)=([0-9]{1,6})\.\.([0-9]{1,6})")
_TERM = re.compile(r"([+-]?)(?:([0-9]{1,6})(?:\*([a-z][a-z0-9_]*))?|([a-z][a-z0-9_]*))")
_NUMBER = "(0|[1-9][0-9]{0,8})"
_WIDTH = re.compile(r"(.*):0([1-9])", re.DOTALL)
# stands for a number that depends on variables; no name has it
_VARIABLE = "\0"
_DIGITS = re.compile(r"[0-9\0]+")


class BadPattern(ValueError):
    """A pattern that cannot be read; its text says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """A number that depends on variables: the sum of `factors` times their variables, and `constant`.

    It is written with at least `width` digits, zeros before it where it has fewer.
    """

    factors: Mapping[str, int]
    constant: int
    width: int = 1

    def value(self, values: Mapping[str, int]) -> int | None:
        """The number, where it is none below zero."""
        number = self.constant + sum(factor * values[name] for name, factor in self.factors.items())
        return number if number >= 0 else None

    def text(self, values: Mapping[str, int]) -> str | None:
        """The number as it stands in a name."""
        number = self.value(values)
        return None if number is None else f"{number:0{self.width}}"

    @property
    def regex(self) -> str:
        """Matches the number as a group, or without one where it depends on nothing."""
        if not self.factors:
            return f"{self.constant:0{self.width}}"
        if self.width == 1:
            return _NUMBER
        longer = f"|[1-9][0-9]{{{self.width},8}}" if self.width < 9 else ""
        return f"([0-9]{{{self.width}}}{longer})"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name: texts, and forms between them. `ranges` has the variables whose values are written out."""

    pieces: tuple[str | Form, ...]
    ranges: Mapping[str, range]

    @property
    def forms(self) -> tuple[Form, ...]:
        """The numbers that depend on variables, from left to right."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Form) and piece.factors)

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(name for form in self.forms for name in form.factors)

    @property
    def skeleton(self) -> str:
        """What `skeleton` gives for every name that this pattern is about."""
        return _DIGITS.sub("#", self._example)

    @property
    def numbers(self) -> tuple[str | None, ...]:
        """What `numbers` gives for every name that this pattern is about; None for those that depend on variables."""
        return tuple(None if _VARIABLE in number else number for number in _DIGITS.findall(self._example))

    @property
    def _example(self) -> str:
        """The name with a sign for each number that depends on variables."""
        texts = (piece if isinstance(piece, str) else _VARIABLE if piece.factors else piece.regex for piece in self.pieces)
        return "".join(texts)

    def name(self, values: Mapping[str, int]) -> str | None:
        """The name for some values of all variables; None where a number would be below zero."""
        pieces = [piece.text(values) if isinstance(piece, Form) else piece for piece in self.pieces]
        texts = [piece for piece in pieces if piece is not None]
        return "".join(texts) if len(texts) == len(pieces) else None

    def matcher(self) -> re.Pattern[str]:
        """Matches the name and all names below it; the last group is the rest, the others the numbers of `forms`.

        The texts between two numbers begin and end with no digit, so that there is one way to match, found without search.
        """
        texts = (re.escape(piece) if isinstance(piece, str) else piece.regex for piece in self.pieces)
        return re.compile("".join(texts) + r"((?:\..*)?)")


@dataclass(frozen=True, slots=True)
class _Turn:
    """How one form of a pattern is solved: the variables that are tried, then the one it is solved for, if any is left."""

    index: int
    form: Form
    tried: tuple[str, ...]
    solved: str | None


@dataclass(frozen=True, slots=True)
class Solver:
    """Finds the variables of a rule from the numbers of its own name."""

    turns: tuple[_Turn, ...]
    ranges: Mapping[str, range]

    def solutions(self, numbers: Sequence[int]) -> Iterator[dict[str, int]]:
        """All values of the variables that give `numbers`, one for each form."""
        return self._from(0, {}, numbers)

    def _from(self, turn: int, values: dict[str, int], numbers: Sequence[int]) -> Iterator[dict[str, int]]:
        if turn == len(self.turns):
            yield values
            return
        now = self.turns[turn]
        for combination in itertools.product(*(self.ranges[name] for name in now.tried)):
            found = {**values, **dict(zip(now.tried, combination, strict=True))}
            rest = numbers[now.index] - now.form.constant
            rest -= sum(factor * found[name] for name, factor in now.form.factors.items() if name in found)
            if now.solved is not None:
                value, rest = divmod(rest, now.form.factors[now.solved])
                if value not in self.ranges.get(now.solved, (value,)) or value < 0:
                    continue
                found[now.solved] = value
            if rest == 0:
                yield from self._from(turn + 1, found, numbers)


def skeleton(name: str) -> str:
    """A name with its numbers, also those in words, put out of sight."""
    return _DIGITS.sub("#", name)


def numbers(name: str) -> tuple[str, ...]:
    """The numbers in a name, also those in words, as they are written."""
    return tuple(_DIGITS.findall(name))


def read_pattern(text: str) -> Pattern:
    """Read a pattern. Raises `BadPattern`."""
    pieces: list[str | Form] = []
    ranges: dict[str, range] = {}
    end = 0
    for hole in _HOLE.finditer(text):
        literal = _literal(text[end : hole.start()])
        if end and (not literal or literal[0].isdigit() or literal[-1].isdigit()):
            raise BadPattern("two numbers need something between them that neither begins nor ends with a digit")
        pieces.append(literal)
        form, width = hole[1], 1
        if padded := _WIDTH.fullmatch(form):
            form, width = padded[1], int(padded[2])
        if found := _RANGE.fullmatch(form):
            name, low, high = found[1], int(found[2]), int(found[3])
            if name in ranges:
                raise BadPattern(f"the range of `{name}` is written twice")
            if not low <= high < low + KEY_MAP_RULES:
                raise BadPattern(f"the range of `{name}` has between 1 and {KEY_MAP_RULES:_} numbers, the lower first")
            ranges[name] = range(low, high + 1)
            pieces.append(Form({name: 1}, 0, width))
        else:
            pieces.append(replace(_form(form), width=width))
        end = hole.end()
    pieces.append(_literal(text[end:]))
    if any(not segment for segment in _HOLE.sub("0", text).split(".")):
        raise BadPattern("a name has words between its points")
    return Pattern(tuple(pieces), ranges)


def combinations(*patterns: Pattern) -> int:
    """How many combinations of numbers the ranges of a rule make: 1 where it has none."""
    return math.prod(len(values) for pattern in patterns for values in pattern.ranges.values())


def solver(official: Pattern, own: Pattern) -> Solver:
    """What reads the own name of a rule. Raises `BadPattern` where the two sides do not fit each other."""
    ranges = {**official.ranges, **own.ranges}
    if set(official.ranges) & set(own.ranges):
        raise BadPattern("a range is written on one side only")
    if official.variables != own.variables:
        name = min(official.variables ^ own.variables)
        raise BadPattern(f"`{name}` must stand on both sides")
    for form in (piece for side in (official, own) for piece in side.pieces if isinstance(piece, Form)):
        _check(form, ranges)
    turns: list[_Turn] = []
    known: set[str] = set()
    left = list(enumerate(own.forms))
    while left:
        # the fewest unknowns first: what one number tells need not be tried for the next
        entry = min(left, key=lambda entry: len(entry[1].factors.keys() - known))
        left.remove(entry)
        index, form = entry
        # a variable without a range comes last; there is at most one. Else that with the longest range
        unknown = sorted(form.factors.keys() - known, key=lambda n: (n not in ranges, len(ranges.get(n, ())), n))
        turns.append(_Turn(index, form, tuple(unknown[:-1]), unknown[-1] if unknown else None))
        known.update(unknown)
    return Solver(tuple(turns), ranges)


def _check(form: Form, ranges: Mapping[str, range]) -> None:
    free = sorted(form.factors.keys() - ranges.keys())
    if len(free) > 1:
        raise BadPattern(f"a number can depend on one variable without a range, not on {' and '.join(f'`{n}`' for n in free)}")
    if any(form.factors[name] < 1 for name in free) or 0 in form.factors.values():
        raise BadPattern("a variable is multiplied by 1 or more")
    least = sum(min(factor * ranges[name][0], factor * ranges[name][-1]) for name, factor in form.factors.items() if not free)
    if not free and form.constant + least < 0:
        raise BadPattern("a number is 0 or more")


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
        raise BadPattern("a number is written like `{i}`, `{i+1}`, `{2*i+1}`, `{i:02}`, or with a range `{i=0..2}`")
    return Form(factors, constant)
