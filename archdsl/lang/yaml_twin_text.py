"""The text inside a YAML scalar, read by the language's own grammar, with places in the YAML file."""

from __future__ import annotations

from typing import Any, TypeVar

from archdsl.lang import ast
from archdsl.lang.grammar import tables
from archdsl.lang.parse import parse_expression
from archdsl.lang.tokens import Token, scan
from archdsl.lang.yaml_twin_nodes import Scalar, shown
from archdsl.source import record
from archdsl.source.diagnostic import Diagnostic, Note, Report
from archdsl.source.files import source_from_text
from archdsl.source.limits import NAME_LENGTH, STRING_LENGTH
from archdsl.source.text import Source, Span

_ESCAPES = {"0": "\0", "t": "\t", "\t": "\t", "n": "\n", "r": "\r", "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\"}
_ESCAPES |= {"a": "\a", "b": "\b", "v": "\v", "f": "\f", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
_CODES = {"x": 2, "u": 4, "U": 8}

T = TypeVar("T")


class Slice:
    """What a scalar says.

    Where quotes hide characters behind escapes, a text without them is read and places are mapped back.
    """

    def __init__(self, scalar: Scalar, report: Report) -> None:
        content = scalar.content
        self.report = report
        self.whole = content
        self.source: Source = content.source
        self.start, self.end = content.start, content.end
        self._offsets: list[int] | None = None
        hidden = {"'": "''", '"': "\\"}.get(scalar.style)
        if hidden and hidden in content.text:
            chars, self._offsets = _unescaped(content, scalar.style, report)
            self.source = Source(content.source.name, chars)
            self.start, self.end = 0, len(chars)
        text = self.source.text
        while self.start < self.end and text[self.start].isspace():
            self.start += 1
        while self.end > self.start and text[self.end - 1].isspace():
            self.end -= 1

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def span(self) -> Span:
        return self.place(self.start, self.end)

    def place(self, start: int, end: int) -> Span:
        """Where these characters of `source` stand in the YAML file."""
        if self._offsets is None:
            return Span(self.source, start, end)
        return Span(self.whole.source, self._offsets[start], self._offsets[end])

    def tokens(self) -> list[Token]:
        """The text cut into words and signs, the last of kind `END`."""
        return scan(self.source, self.start, self.end, self.report).tokens

    def expression(self, start: int, end: int) -> ast.Expr:
        """The expression that these characters write."""
        if self._offsets is None:
            return parse_expression(self.source, start, end, self.report)
        found = Report()
        try:
            return self._moved(parse_expression(self.source, start, end, found))
        finally:
            for diagnostic in found.diagnostics:
                self.report.add(self._moved(diagnostic))

    def _moved(self, value: T) -> T:
        if isinstance(value, Span):
            return self.place(value.start, value.end)  # type: ignore[return-value]
        if isinstance(value, tuple):
            return tuple(self._moved(entry) for entry in value)  # type: ignore[return-value]
        if isinstance(value, Diagnostic | Note) or hasattr(value, "span"):
            parts: dict[str, Any] = {name: self._moved(getattr(value, name)) for name in record.names(value)}
            return type(value)(**parts)
        return value


def _unescaped(content: Span, style: str, report: Report) -> tuple[str, list[int]]:
    """The characters meant, and for each (and for the end) its place in the file."""
    text = content.source.text
    chars: list[str] = []
    offsets: list[int] = []
    at = content.start
    while at < content.end:
        step, char = 1, text[at]
        if style == "'" and char == "'":
            step = 2
        elif style == '"' and char == "\\":
            code = text[at + 1]
            if code in _CODES:
                step = 2 + _CODES[code]
                char = chr(int(text[at + 2 : at + step], 16))
            elif code in _ESCAPES:
                step, char = 2, _ESCAPES[code]
            else:
                # an escaped line break: neither it nor the blanks around it count
                step = 2 + len(text[at + 2 : content.end]) - len(text[at + 2 : content.end].lstrip())
                char = ""
            if refused(char):
                place = Span(content.source, at, at + step)
                report.fail(
                    "yaml-feature", "a spec has no control characters", place, f"U+{ord(char):04X}", help="leave it out"
                )
        if char:
            chars.append(char)
            offsets.append(at)
        at += step
    return "".join(chars), [*offsets, content.end]


def refused(char: str) -> bool:
    """Whether no spec may hold this character, however it is written."""
    if char.isprintable():
        return False
    found = Report()
    with found.guard():
        source_from_text("", char, found)
    return bool(found.errors)


def is_name(word: str) -> bool:
    """Whether a word can be given to something."""
    return word.isascii() and word.isidentifier() and word not in tables().words


def ident(text: Slice, start: int, end: int) -> ast.Ident:
    """A name that is given."""
    word = text.source.text[start:end]
    span = text.place(start, end)
    if word in tables().words:
        message = f"`{word}` is a reserved word and cannot be a name"
        text.report.fail("reserved-word", message, span, "a name is needed here", help="choose another name")
    if not is_name(word):
        label = "nothing here" if not word else "not a name"
        help = "a name has letters, digits and `_`, and starts with no digit"
        text.report.fail("yaml-structure", "a name is wanted", span, label, help=help)
    if len(word) > NAME_LENGTH:
        place = text.place(start, start + NAME_LENGTH)
        message = f"a name has at most {NAME_LENGTH} characters"
        text.report.fail("limit-exceeded", message, place, f"this one has {len(word):_}")
    return ast.Ident(word, span)


def name_of(scalar: Scalar, report: Report) -> ast.Ident:
    """The name a scalar holds."""
    text = Slice(scalar, report)
    return ident(text, text.start, text.end)


def plain_text(scalar: Scalar, report: Report) -> ast.String:
    """A text that YAML quotes, not the language: a path, a reason."""
    value = scalar.value.rstrip("\n") if scalar.style in ("|", ">") else scalar.value
    span = scalar.content
    if '"' in value or "\n" in value or any(map(refused, value)):
        label = 'has `"`' if '"' in value else "has a line break or a control character"
        report.fail("yaml-structure", 'a text is one line without `"`', span, label)
    if len(value) > STRING_LENGTH:
        message = f"a text has at most {STRING_LENGTH:_} characters"
        place = Span(span.source, span.start, span.start + 1)
        report.fail("limit-exceeded", message, place, f"this one has {len(value):_}")
    return ast.String(value, span)


def signature(scalar: Scalar, report: Report) -> tuple[ast.Ident, tuple[ast.Param, ...] | None]:
    """A name, perhaps with parameters: `width`, `widen(width)`, `halve(width, by = 2)`."""
    text = Slice(scalar, report)
    tokens = text.tokens()
    if len(tokens) < 3 or tokens[1].kind != "LPAR":
        return ident(text, text.start, text.end), None
    name = ident(text, tokens[0].start, tokens[0].end)
    inside = tokens[2:-2]
    if tokens[-2].kind != "RPAR" or any(depth < 0 for _, depth in _depths(inside)):
        report.fail("yaml-structure", "parameters stand in one pair of parentheses", text.span, help="write `name(a, b = 2)`")
    given = _parted(inside, "COMMA")
    if len(given) > 1 and given[0] and not given[-1]:
        # one comma may follow the last
        given.pop()
    params: list[ast.Param] = []
    for part in given if inside else ():
        before = part[0].start if part else tokens[-2].start
        end = part[-1].end if part else before
        if len(part) > 1 and part[1].kind == "EQUAL":
            named, default = ident(text, before, part[0].end), text.expression(part[1].end, end)
        else:
            named, default = ident(text, before, end), None
        params.append(ast.Param(named, default, text.place(before, end)))
    return name, tuple(params)


def comparison(text: Slice) -> tuple[tuple[ast.Expr, ...], tuple[str, ...]]:
    """`a <= b < c`: the operands and what stands between them."""
    tokens = text.tokens()[:-1]
    signs = [token for token, depth in _depths(tokens) if not depth and token.kind == "COMPARE"]
    for token, depth in _depths(tokens):
        if not depth and token.kind in ("VBAR", "ARROW", "DOTDOT"):
            sign, span = text.source.text[token.start : token.end], text.place(token.start, token.end)
            help = "put it in parentheses"
            text.report.fail("yaml-structure", "`require` compares numbers", span, f"`{sign}` makes no number", help=help)
    if not signs:
        help = "write `s1.depth <= s2.depth`"
        text.report.fail("yaml-structure", "`require` compares values", text.span, "no comparison", help=help)
    starts = [text.start, *(sign.end for sign in signs)]
    ends = [*(sign.start for sign in signs), text.end]
    operands = tuple(_operand(text, start, end) for start, end in zip(starts, ends, strict=True))
    return operands, tuple(text.source.text[sign.start : sign.end] for sign in signs)


def bound(text: Slice) -> tuple[str, ast.Expr]:
    """`<= 2.3G`: an operator and what follows."""
    sign = text.tokens()[0]
    if sign.kind != "COMPARE":
        example = shown(text.text) or "2.3G"
        help = f'write `<= {example}`, or `">= {example}"` in quotes'
        text.report.fail("yaml-structure", "a budget starts with a comparison", text.span, "no comparison", help=help)
    return text.source.text[sign.start : sign.end], _operand(text, sign.end, text.end)


def _operand(text: Slice, start: int, end: int) -> ast.Expr:
    if not text.source.text[start:end].strip():
        text.report.fail("missing-value", "a comparison has a value on both sides", text.place(start, end), "nothing here")
    return text.expression(start, end)


def _depths(tokens: list[Token]) -> list[tuple[Token, int]]:
    """Each token with the number of brackets open around it."""
    found = []
    depth = 0
    for token in tokens:
        depth -= token.kind in ("RPAR", "RSQB", "RBRACE")
        found.append((token, depth))
        depth += token.kind in ("LPAR", "LSQB", "LBRACE")
    return found


def _parted(tokens: list[Token], kind: str) -> list[list[Token]]:
    """The tokens between those of a kind that stand in no bracket."""
    parts: list[list[Token]] = [[]]
    for token, depth in _depths(tokens):
        if token.kind == kind and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
