"""YAML as maps, lists and scalars with places; what YAML has beyond these is refused."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator
from typing import TypeAlias

import yaml
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from archdsl.lang.ast import Comment
from archdsl.lang.yaml_twin_problems import syntax_error
from archdsl.source.diagnostic import Fix, Note, Report
from archdsl.source.limits import YAML_CHARACTERS, YAML_DEPTH, YAML_NODES
from archdsl.source.record import dataclass
from archdsl.source.text import Source, Span

_BREAKS = "\r\n\x85\u2028\u2029"


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """`value` is the text as YAML reads it, `content` its place without quotes or block header.

    `style` is one of the signs `'"|>`, or empty for a plain scalar.
    """

    value: str
    style: str
    span: Span
    content: Span

    @property
    def empty(self) -> bool:
        """Nothing was written."""
        return not self.style and not self.value


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    pairs: tuple[tuple[Scalar, Node], ...]
    flow: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    items: tuple[Node, ...]
    flow: bool
    span: Span


Node: TypeAlias = Scalar | Mapping | Sequence


class _Open:
    """A map or list whose end was not met yet."""

    def __init__(self, start: int, *, flow: bool, mapping: bool) -> None:
        self.start = start
        self.flow = flow
        self.mapping = mapping
        self.nodes: list[Node] = []


def compose(source: Source, report: Report) -> tuple[Node | None, tuple[Comment, ...]]:
    """The node a YAML text holds (None: it holds none), and its comments. Raises `Reported`."""
    if len(source.text) > YAML_CHARACTERS:
        report.fail("limit-exceeded", f"YAML is read up to {YAML_CHARACTERS:_} characters, this one has {len(source.text):_}")
    scalars: list[Scalar] = []
    try:
        root = _build(source, report, scalars)
    except MarkedYAMLError as error:
        syntax_error(source, report, error)
    except ReaderError as error:
        place = Span(source, error.position, error.position + 1)
        report.fail("yaml-syntax", "YAML has no place for this character", place, f"U+{error.character:04X}")
    return root, tuple(_comments(source, scalars))


def _build(source: Source, report: Report, scalars: list[Scalar]) -> Node | None:
    stack: list[_Open] = []
    root: Node | None = None
    documents = nodes = 0
    for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
        node: Node | None = None
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            _refuse_document(source, report, event, documents)
        elif isinstance(event, yaml.NodeEvent):
            _refuse_feature(source, report, event)
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(source, event)
            scalars.append(node)
        elif isinstance(event, yaml.CollectionStartEvent):
            start, _ = _place(event)
            stack.append(_Open(start, flow=bool(event.flow_style), mapping=isinstance(event, yaml.MappingStartEvent)))
            if len(stack) > YAML_DEPTH:
                place = Span(source, start, start + 1)
                report.fail("limit-exceeded", f"maps and lists nest at most {YAML_DEPTH} deep", place, "one level too many")
        elif isinstance(event, yaml.CollectionEndEvent):
            node = _closed(source, report, stack.pop(), _place(event)[1])
        if node is not None:
            nodes += 1
            if nodes > YAML_NODES:
                report.fail(
                    "limit-exceeded", f"a file has at most {YAML_NODES:_} maps, lists, keys and values", node.span.head()
                )
            if stack:
                stack[-1].nodes.append(node)
            else:
                root = node
    # an empty document is an empty scalar to YAML
    return None if isinstance(root, Scalar) and root.empty else root


def _place(event: yaml.Event) -> tuple[int, int]:
    """Where an event starts and ends, in characters."""
    assert event.start_mark is not None
    assert event.end_mark is not None
    return event.start_mark.index, event.end_mark.index


def _refuse_document(source: Source, report: Report, event: yaml.DocumentStartEvent, number: int) -> None:
    start, end = _place(event)
    span = Span(source, start, start + len(source.text[start:end].split("\n")[0].rstrip()))
    if event.version or event.tags:
        report.fail("yaml-feature", "YAML directives have no place here", span, "starts with `%`", help="leave the line out")
    if number > 1:
        report.fail(
            "yaml-feature",
            "a file is one YAML document",
            span,
            "a second document starts",
            help="write several archs as a list: `- arch: one` and `- arch: two`",
        )


def _refuse_feature(source: Source, report: Report, event: yaml.NodeEvent) -> None:
    span = Span(source, *_place(event))
    quote = "share values with `let`; text that starts with this character is quoted"
    if isinstance(event, yaml.AliasEvent):
        report.fail("yaml-feature", "YAML aliases have no place here", span, "an alias", help=quote)
    if event.anchor is not None:
        report.fail("yaml-feature", "YAML anchors have no place here", span.head(), "an anchor", help=quote)
    if getattr(event, "tag", None) is not None:
        report.fail(
            "yaml-feature", "YAML tags have no place here", span.head(), "a tag", help="leave it out, or quote the text"
        )


def _scalar(source: Source, event: yaml.ScalarEvent) -> Scalar:
    text = source.text
    start, end = _place(event)
    style = event.style or ""
    inner = (start, end)
    if style in ("'", '"') and style:
        inner = (start + 1, end - 1)
    elif style in ("|", ">") and style:
        header = start
        while header < end and text[header] not in _BREAKS:
            header += 1
        while end > header and text[end - 1].isspace():
            end -= 1
        while header < end and text[header].isspace():
            header += 1
        inner = (header, end)
    return Scalar(event.value, style, Span(source, start, end), Span(source, *inner))


def _closed(source: Source, report: Report, opened: _Open, end: int) -> Node:
    nodes = opened.nodes
    if not opened.flow:
        # YAML ends a block where the next thing starts: take the end of what is in it
        end = nodes[-1].span.end if nodes else opened.start
    span = Span(source, opened.start, end)
    if not opened.mapping:
        return Sequence(tuple(nodes), opened.flow, span)
    pairs: list[tuple[Scalar, Node]] = []
    for key, value in zip(nodes[::2], nodes[1::2], strict=True):
        if isinstance(key, Scalar):
            pairs.append((key, value))
        else:
            report.error("yaml-structure", "a key is a word", key.span.head(), "a map or a list as key")
    pairs = _joined(report, pairs) if opened.flow else pairs
    unique: dict[str, tuple[Scalar, Node]] = {}
    for key, value in pairs:
        if key.value == "<<" and not key.style:
            report.error(
                "yaml-feature", "YAML merge keys have no place here", key.span, "a merge key", help="use `extends` or `let`"
            )
        elif key.value in unique:
            first = Note("the first one", unique[key.value][0].span)
            help = "write values of one quantity as a list, `params: [1, 1M]`; in a list of maps each may have the key"
            name = shown(key.value)
            report.error("duplicate-key", f"`{name}` stands twice in one map", key.span, "again", notes=[first], help=help)
        else:
            unique[key.value] = (key, value)
    return Mapping(tuple(unique.values()), opened.flow, span)


def _joined(report: Report, pairs: list[tuple[Scalar, Node]]) -> list[tuple[Scalar, Node]]:
    """The pairs of a map in braces; a call that was cut at its commas is reported and put together again."""
    joined: list[tuple[Scalar, Node]] = []
    rest = deque(pairs)
    while rest:
        key, value = rest.popleft()
        if _empty(value) and balance(_plain(key)) > 0:
            key, value = _mended(report, key, value, rest, at_key=True)
        if balance(_plain(value)) > 0:
            _, value = _mended(report, key, value, rest, at_key=False)
        if _empty(value) and "=" in _plain(key):
            name, _, given = key.value.partition("=")
            help = f"write `{shown(name)}: {shown(given)}`"
            report.error(
                "yaml-split", "a map in braces is cut at each comma into `key: value`", key.span, "no `: ` here", help=help
            )
        else:
            joined.append((key, value))
    return joined


def _mended(report: Report, key: Scalar, value: Node, rest: deque[tuple[Scalar, Node]], *, at_key: bool) -> tuple[Scalar, Node]:
    """A key or value together with the pieces of `rest` up to the one that closes its brackets."""
    cut = key if at_key else value
    whole = cut.span
    taken = 0
    for piece, after in rest:
        taken += 1
        whole = whole.to(piece.span if at_key or _empty(after) else after.span)
        value = after if at_key else value
        if balance(whole.text) <= 0:
            break
    else:
        # never closed: the grammar says so
        return key, value
    _report_split(report, whole, rest[0][0])
    for _ in range(taken):
        rest.popleft()
    mended = Scalar(whole.text, "", whole, whole)
    return (mended, value) if at_key else (key, mended)


def _empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.empty


def _plain(node: Node) -> str:
    """The text of a scalar without quotes, else nothing."""
    return node.value if isinstance(node, Scalar) and not node.style else ""


def _report_split(report: Report, whole: Span, rest: Scalar) -> None:
    text = whole.text
    quoted = f"'{text}'" if '"' in text or "\\" in text else f'"{text}"'
    report.error(
        "yaml-split",
        "a map in braces is cut at each comma, also inside a call",
        whole,
        f"cut before `{shown(rest.value)}`",
        help=f"quote it: `{shown(quoted)}`",
        fix=Fix(whole, quoted, safe="'" not in text),
    )


def balance(text: str) -> int:
    """Brackets opened and not closed, outside strings."""
    depth = 0
    string = False
    for char in text:
        if char == '"':
            string = not string
        elif not string:
            depth += (char in "([") - (char in ")]")
    return depth


def shown(text: str) -> str:
    """A text for a message: on one line, short, without control characters."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return line if len(line) <= 60 else line[:57] + "..."


def _comments(source: Source, scalars: list[Scalar]) -> Iterator[Comment]:
    text = source.text
    taken = sorted((s.content.start, s.content.end, s.style in ("|", ">") and s.style != "") for s in scalars if not s.empty)
    starts = [start for start, _, _ in taken]
    at = text.find("#")
    while at >= 0:
        index = bisect.bisect_right(starts, at) - 1
        if index >= 0 and at < taken[index][1]:
            _, end, block = taken[index]
            # in a block scalar a comment is the language's own, everywhere else `#` inside a scalar is text
            if not block or text.count('"', text.rfind("\n", 0, at) + 1, at) % 2:
                at = text.find("#", at + 1 if block else end)
                continue
        end = at
        while end < len(text) and text[end] not in _BREAKS:
            end += 1
        before = text[text.rfind("\n", 0, at) + 1 : at]
        yield Comment(text[at:end].rstrip(), not before.strip(" \t\ufeff"), Span(source, at, end))
        at = text.find("#", end)
