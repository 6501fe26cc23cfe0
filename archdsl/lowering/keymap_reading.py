"""Read key maps. Free of torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from archdsl.lang.yaml_twin_nodes import Mapping, Node, Scalar, Sequence, compose
from archdsl.lowering.axes import BadAxes, read_axes
from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.pattern import BadPattern, Pattern, combinations, read_pattern, solver
from archdsl.lowering.rules import Piece, Place, Rule, Shape
from archdsl.source.diagnostic import Report, Reported, SpecError
from archdsl.source.limits import KEY_MAP_RULES
from archdsl.source.text import Source, Span

_SECTIONS = ("source", "keys", "shapes", "ignore", "counters")
_PIECE = re.compile(r"(.*)\[([0-9]{1,3})/([0-9]{1,3})\]", re.DOTALL)


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
    whole = Span(source, 0, min(1, len(source.text)))
    root, _ = compose(source, report)
    if not isinstance(root, Mapping):
        _refuse(report, whole, "no map stands here", "begin with `keys:` and one rule a line below it")
    sections: dict[str, Node] = {}
    for key, value in root.pairs:
        if key.value not in _SECTIONS:
            known = ", ".join(f"`{name}`" for name in _SECTIONS)
            _refuse(report, key.span, f"none of {known}", "a key map has these sections; `keys` is the one it needs")
        sections[key.value] = value
    keys = sections.get("keys")
    if not isinstance(keys, Mapping) or not keys.pairs:
        _refuse(report, whole, "no `keys` with rules", "write one rule a line below `keys:`")
    size = _Size(report)
    rules: list[Rule] = []
    for left, right in keys.pairs:
        with report.guard():
            rules.append(_rule(left, right, size, report))
        size.check(left.span)
    shapes = _shapes(sections.get("shapes"), size, report)
    ignored = _ignored(sections.get("ignore"), size, report)
    return KeyMap(source.name, tuple(rules), shapes, ignored, _counters(sections.get("counters"), report))


class _Size:
    """How many rules there are, written out for all numbers of their ranges."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._count = 0

    def add(self, *patterns: Pattern) -> None:
        self._count += combinations(*patterns)

    def check(self, span: Span) -> None:
        """Refuse more than a key map may have; `span` is the last one."""
        if self._count > KEY_MAP_RULES:
            label = f"with this one it has more than {KEY_MAP_RULES:_} rules, written out for all numbers of their ranges"
            _refuse(self._report, span, label, "use variables without a range, such as `{i}`")


def _rule(left: Scalar, right: Node, size: _Size, report: Report) -> Rule:
    if not isinstance(right, Scalar) or not right.value:
        _refuse(report, left.span, "no name beside it", "write `official.name: own.name`")
    help = "a rule is like `stages.{i}.{j}.norm1: stages.s{i+1}.{j}.layernorm`"
    text, piece = right.value, None
    if cut := _PIECE.fullmatch(text):
        text, piece = cut[1], Piece(int(cut[2]), int(cut[3]))
        if not piece.index < piece.count or piece.count < 2:
            label = f"`{piece}` is no piece: the first of three is `[0/3]`, the last `[2/3]`"
            _refuse(report, right.content, label, "count from 0; there are two pieces or more")
    official, own = _pattern(left, left.value, help, report), _pattern(right, text, help, report)
    try:
        read = solver(official, own)
    except BadPattern as error:
        _refuse(report, left.content, str(error), help)
    size.add(official, own)
    return Rule(left.span.to(right.span), official, own, own.matcher(), read, piece)


def _shapes(node: Node | None, size: _Size, report: Report) -> tuple[Shape, ...]:
    help = "write the official name and its axes by the letters of the own ones, such as `head.weight: o i 1 1`"
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        _refuse(report, node.span, "no map of shapes", help)
    found: list[Shape] = []
    for left, right in node.pairs:
        with report.guard():
            if not isinstance(right, Scalar) or not right.value:
                _refuse(report, left.span, "no axes beside it", help)
            try:
                axes = read_axes(right.value)
            except BadAxes as error:
                _refuse(report, right.content, str(error), help)
            found.append(Shape(_place(left, left.span.to(right.span), size, help, report), axes))
        size.check(left.span)
    return tuple(found)


def _ignored(node: Node | None, size: _Size, report: Report) -> tuple[Place, ...]:
    help = "write a list of official names, such as `- layers.{i}.relative_index`"
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        _refuse(report, node.span, "no list of names", help)
    found: list[Place] = []
    for item in node.items:
        with report.guard():
            if not isinstance(item, Scalar) or not item.value:
                _refuse(report, item.span, "no name", help)
            found.append(_place(item, item.span, size, help, report))
        size.check(item.span)
    return tuple(found)


def _counters(node: Node | None, report: Report) -> bool:
    if node is None:
        return True
    if not isinstance(node, Scalar) or node.value != "none":
        _refuse(report, node.span, "it can only be `none`", "leave `counters` out where the published files have them")
    return False


def _place(scalar: Scalar, span: Span, size: _Size, help: str, report: Report) -> Place:
    pattern = _pattern(scalar, scalar.value, help, report)
    try:
        # there is one side only
        read = solver(Pattern(pattern.pieces, {}), pattern)
    except BadPattern as error:
        _refuse(report, scalar.content, str(error), help)
    size.add(pattern)
    return Place(span, pattern, pattern.matcher(), read)


def _pattern(scalar: Scalar, text: str, help: str, report: Report) -> Pattern:
    try:
        return read_pattern(text)
    except BadPattern as error:
        _refuse(report, scalar.content, str(error), help)


def _refuse(report: Report, span: Span, label: str, help: str) -> NoReturn:
    report.fail("bad-key-map", "a key map gives each official name an own one", span, label, help=help)
