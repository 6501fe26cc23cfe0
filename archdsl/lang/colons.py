"""Blocks begun with a colon, as in Python: said once, then read as if they stood in braces."""

from __future__ import annotations

from archdsl.lang.brackets import first_on_line, indent_of
from archdsl.lang.tokens import END, Token
from archdsl.source.diagnostic import Diagnostic, Fix
from archdsl.source.text import Source, Span

_NAMED = frozenset(["ARCH", "SPACE", "STAGE", "LAYOUT"])
_UNNAMED = frozenset(["DEFAULT", "FIRST", "LAST", "LAYOUT"])
_GOES_ON = frozenset(["EXTENDS", "OVER"])


class Colons:
    """The blocks of a text that a colon began; each ends before the next line that is not further in."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._indents: list[int] = []

    def opens(self, colon: Token, following: Token, done: list[Token]) -> Diagnostic | None:
        """What is said of a colon behind the name of a block; the brace that is meant is put in. None elsewhere."""
        if not _names_block(done):
            return None
        span = Span(self._source, colon.start, colon.end)
        if following.kind == "LBRACE":
            fix = Fix(span, "", safe=True)
            return Diagnostic("unexpected-text", "a block stands in braces", span, "no `:` here", (), "remove it", fix)
        header = next(token for token in reversed(done) if first_on_line(self._source, token) or token is done[0])
        self._indents.append(indent_of(self._source, header))
        done.append(Token("LBRACE", colon.start, colon.end))
        help = "write `{` here, and `}` where the block ends"
        return Diagnostic("unexpected-text", "a block stands in braces", span, "expected `{`", (), help)

    def close(self, token: Token, done: list[Token]) -> None:
        """Put in the braces of the blocks that end before a token."""
        if not self._indents or not (token.kind == END or first_on_line(self._source, token)):
            return
        indent = -1 if token.kind == END else indent_of(self._source, token)
        while self._indents and self._indents[-1] >= indent:
            here = self._indents.pop()
            # the author may have closed it
            if token.kind != "RBRACE" or here != indent:
                end = done[-1].end
                done.append(Token("RBRACE", end, end))


def _names_block(done: list[Token]) -> bool:
    kinds = [token.kind for token in done[-4:]]
    if kinds[-1:] == ["NAME"]:
        return (len(kinds) > 1 and kinds[-2] in _NAMED) or (len(kinds) == 4 and kinds[0] in _NAMED and kinds[2] in _GOES_ON)
    return bool(kinds) and kinds[-1] in _UNNAMED
