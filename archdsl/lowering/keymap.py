"""Key maps: the names of a published checkpoint beside those of the state_dict. Free of torch.

The format is told in `specs/KEYMAPS.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import NoReturn

from archdsl.lowering.pattern import BadPattern, Pattern, Solver, combinations, read_pattern, skeleton, solver
from archdsl.source.diagnostic import Note, Report, Reported, SpecError
from archdsl.source.limits import KEY_MAP_RULES, TOLD
from archdsl.source.text import Source, Span

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a key map: both patterns, and what reads the own one."""

    span: Span
    official: Pattern
    own: Pattern
    matcher: re.Pattern[str]
    solver: Solver

    def official_names(self, own: str) -> list[str]:
        """The official names of an own one: none where the rule is not about it, several where its ranges overlap."""
        found = self.matcher.fullmatch(own)
        if found is None:
            return []
        *numbers, rest = found.groups()
        names = (self.official.name(values) for values in self.solver.solutions([int(number) for number in numbers]))
        return [name + rest for name in names if name is not None]


@dataclass(frozen=True, slots=True)
class KeyMap:
    """The rules of one file."""

    name: str
    rules: tuple[Rule, ...]

    def official_names(self, own: Iterable[str]) -> dict[str, str]:
        """The official name of each own one.

        Raises
        ------
        SpecError: `key-map-mismatch`, when an own name has no rule or two, when two own names would get one official name,
            or when a rule is about none of them.
        """
        report = Report()
        # of many rules a name concerns a few: those with the same words
        alike: dict[str, list[tuple[int, Rule]]] = {}
        for entry in enumerate(self.rules):
            alike.setdefault(entry[1].own.skeleton, []).append(entry)
        names: dict[str, str] = {}
        givers: dict[str, tuple[str, Rule]] = {}
        used: set[int] = set()
        missing: list[str] = []
        for key in own:
            if report.error_count >= TOLD:
                report.raise_errors()
            near = sorted((entry for words in _beginnings(skeleton(key)) for entry in alike.get(words, ())), key=itemgetter(0))
            found = [(rule, name) for _, rule in near for name in rule.official_names(key)]
            used.update(id(rule) for rule, _ in found)
            if not found:
                missing.append(key)
                continue
            (rule, name), *others = found
            for other, also in others:
                twice = f"it gives `{key}` the names `{name}` and `{also}`" if other is rule else f"`{key}` has two rules"
                _clash(report, other, twice, rule, "the other one")
            if name in givers:
                first, giver = givers[name]
                _clash(
                    report, rule, f"`{first}` and `{key}` get one official name, `{name}`", giver, "the first comes from here"
                )
            givers[name] = (key, rule)
            names[key] = name
        if missing:
            more = f" ... {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            report.error(
                "key-map-mismatch",
                f"{len(missing)} names of the state_dict have no rule in `{self.name}`",
                notes=[Note(", ".join(missing[:_SHOWN]) + more)],
                help="add a rule for them; a key map fits the arch it was written for",
            )
        for rule in self.rules:
            if id(rule) not in used:
                report.error(
                    "key-map-mismatch",
                    "each rule of a key map names something in the state_dict",
                    rule.span,
                    "nothing has such a name",
                    help="remove the rule, or correct the right side",
                )
        report.raise_errors()
        return names


def read_keymap(path: Path) -> KeyMap:
    """Read a key map.

    Raises
    ------
    SpecError: `bad-key-map` with the place, or what is said of a file that cannot be read.
    """
    from archdsl.source.files import read_source

    report = Report()
    try:
        keymap = _read(read_source(str(path), report), report)
    except Reported:
        raise SpecError(report.diagnostics) from None
    report.raise_errors()
    return keymap


def keymap_from_text(text: str, name: str = "key map") -> KeyMap:
    """Read a key map from text at hand. Raises as `read_keymap` does."""
    report = Report()
    try:
        keymap = _read(Source(name, text), report)
    except Reported:
        raise SpecError(report.diagnostics) from None
    report.raise_errors()
    return keymap


def _read(source: Source, report: Report) -> KeyMap:
    from archdsl.lang.yaml_twin_nodes import Mapping, Scalar, compose

    whole = Span(source, 0, min(1, len(source.text)))
    root, _ = compose(source, report)
    if not isinstance(root, Mapping):
        _refuse(report, whole, "no map stands here", "begin with `keys:` and one rule a line below it")
    entries: dict[str, object] = {}
    for key, value in root.pairs:
        if key.value not in ("source", "keys") or key.value in entries:
            _refuse(report, key.span, "neither `source` nor `keys`, or a second one", "a key map has `source` and `keys`")
        entries[key.value] = value
    keys = entries.get("keys")
    if not isinstance(keys, Mapping) or not keys.pairs:
        _refuse(report, whole, "no `keys` with rules", "write one rule a line below `keys:`")
    rules: list[Rule] = []
    count = 0
    seen: dict[str, Span] = {}
    for left, right in keys.pairs:
        with report.guard():
            if not isinstance(right, Scalar) or not right.value:
                _refuse(report, left.span, "no name beside it", "write `official.name: own.name`")
            if left.value in seen:
                first = Note("first written here", seen[left.value])
                report.fail("bad-key-map", "an official name has one rule", left.span, "written twice", notes=[first])
            seen[left.value] = left.span
            rule = _rule(left, right, report)
            count += combinations(rule.official, rule.own)
            rules.append(rule)
        if count > KEY_MAP_RULES:
            label = f"with this one it has more than {KEY_MAP_RULES:_} rules, written out for all numbers of their ranges"
            _refuse(report, left.span, label, "use variables without a range, such as `{i}`")
    return KeyMap(source.name, tuple(rules))


def _rule(left: object, right: object, report: Report) -> Rule:
    from archdsl.lang.yaml_twin_nodes import Scalar

    assert isinstance(left, Scalar)
    assert isinstance(right, Scalar)
    sides = []
    for side in (left, right):
        try:
            sides.append(read_pattern(side.value))
        except BadPattern as error:
            _refuse(report, side.content, str(error), "a rule is like `stages.{i}.{j}.norm1: stages.s{i+1}.{j}.layernorm`")
    try:
        read = solver(*sides)
    except BadPattern as error:
        _refuse(report, left.content, str(error), "a rule is like `stages.{i}.{j}.norm1: stages.s{i+1}.{j}.layernorm`")
    official, own = sides
    return Rule(left.span.to(right.span), official, own, own.matcher(), read)


def _beginnings(name: str) -> Iterator[str]:
    """The name, and the names it is below."""
    end = name.find(".")
    while end >= 0:
        yield name[:end]
        end = name.find(".", end + 1)
    yield name


def _clash(report: Report, rule: Rule, label: str, other: Rule, note: str) -> None:
    report.error(
        "key-map-mismatch",
        "each name of the state_dict has one rule and one official name",
        rule.span,
        label,
        notes=[] if other is rule else [Note(note, other.span)],
        help="bound a variable with a range such as `{i=0..2}`, or remove one of the rules",
    )


def _refuse(report: Report, span: Span, label: str, help: str) -> NoReturn:
    report.fail("bad-key-map", "a key map gives each official name an own one", span, label, help=help)
