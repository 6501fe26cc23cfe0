"""A text cut into words, numbers and signs, with its comments beside."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from archdsl.lang.ast import Comment
from archdsl.lang.grammar import tables
from archdsl.source.diagnostic import Report
from archdsl.source.limits import BRACKETS, TOKENS
from archdsl.source.record import dataclass
from archdsl.source.text import Source, Span

# what no terminal of the grammar begins: kept as tokens, so that a diagnostic can say what they are
OPEN_STRING = "OPEN_STRING"
BAD_NUMBER = "BAD_NUMBER"
UNKNOWN = "UNKNOWN"
END = "$END"

_NESTING = {"LPAR": 1, "LSQB": 1, "LBRACE": 1, "RPAR": -1, "RSQB": -1, "RBRACE": -1}


class Token(NamedTuple):
    """A terminal of the grammar, or one of the kinds above, at its place."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The tokens of a text, the last of kind `END`, and its comments."""

    tokens: list[Token]
    comments: tuple[Comment, ...]


def scan(source: Source, start: int, end: int, report: Report) -> Scan:
    """Cut the characters `start` to `end` of a source into tokens; raises `Reported` past a limit."""
    words = tables().words
    text = source.text
    tokens: list[Token] = []
    comments: list[Comment] = []
    depth = 0
    for match in _pattern().finditer(text, start, end):
        kind = match.lastgroup or ""
        if kind == "WS":
            continue
        place = Token(kind, *match.span())
        if kind == "COMMENT":
            line = text.rfind("\n", start, place.start) + 1 or start
            alone = not text[line : place.start].strip()
            comments.append(Comment(match[0].rstrip(), alone, Span(source, place.start, place.start + len(match[0].rstrip()))))
        elif kind == "WORD":
            word = words.get(match[0])
            tokens.append(Token(word or UNKNOWN, place.start, place.end))
        else:
            tokens.append(place)
            depth += _NESTING.get(kind, 0)
        if depth > BRACKETS:
            report.fail("limit-exceeded", f"brackets nest at most {BRACKETS} deep", _span(source, place), f"the {depth}th")
        if len(tokens) + len(comments) > TOKENS:
            message = f"a spec has at most {TOKENS:_} words, numbers, signs and comments"
            report.fail("limit-exceeded", message, _span(source, place), "one too many")
    tokens.append(Token(END, end, end))
    return Scan(tokens, tuple(comments))


def _span(source: Source, token: Token) -> Span:
    return Span(source, token.start, token.end)


@cache
def _pattern() -> re.Pattern[str]:
    groups = [f"(?P<{name}>{pattern})" for name, pattern in tables().patterns]
    # the grammar's terminals come first, so these get what none of them takes
    groups += [
        "(?P<WORD>[A-Za-z]+)",
        f'(?P<{OPEN_STRING}>"[^"\\r\\n]*)',
        f"(?P<{BAD_NUMBER}>[0-9][0-9A-Za-z_]*%?)",
        f"(?P<{UNKNOWN}>.)",
    ]
    return re.compile("|".join(groups))
