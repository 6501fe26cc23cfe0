"""Brackets before syntax: which one is missing or too many, judged by lines and indentation."""

from __future__ import annotations

from archdsl.lang.tokens import END, Token
from archdsl.source.diagnostic import Diagnostic, Note
from archdsl.source.record import dataclass, field
from archdsl.source.text import Source, Span

CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_SIGN = {"LPAR": "(", "LSQB": "[", "LBRACE": "{", "RPAR": ")", "RSQB": "]", "RBRACE": "}"}
# the reserved words that begin an item
STARTERS = frozenset(
    [
        "ARCH",
        "SPACE",
        "IMPORT",
        "EDITION",
        "LET",
        "LAYOUT",
        "STAGE",
        "DEFAULT",
        "NODE",
        "HEAD",
        "EXPECT",
        "BUDGET",
        "REQUIRE",
        "MAXIMIZE",
        "MINIMIZE",
        "FIRST",
        "LAST",
        "RESIDUAL",
        "THEN",
    ]
)
_TOP = frozenset({"ARCH", "SPACE", "IMPORT", "EDITION"})
ENDS_VALUE = frozenset(["NAME", "INT", "FLOAT", "QUANTITY", "SHAPE", "STRING", "RPAR", "RSQB"])


def first_on_line(source: Source, token: Token) -> bool:
    """Whether nothing but blanks stands before a token on its line."""
    return not source.text[source.text.rfind("\n", 0, token.start) + 1 : token.start].strip()


def indent_of(source: Source, token: Token) -> int:
    """How far in the line of a token begins."""
    line = source.text[source.text.rfind("\n", 0, token.start) + 1 : token.start + 1]
    return len(line) - len(line.lstrip())


def begins_item(source: Source, tokens: list[Token], index: int) -> bool:
    """Whether a token, first on its line, looks like the first of an item: a word that begins one, or a name after a value."""
    kind = tokens[index].kind
    if kind in STARTERS:
        return first_on_line(source, tokens[index])
    return (
        kind == "NAME"
        and first_on_line(source, tokens[index])
        and (index == 0 or tokens[index - 1].kind in ENDS_VALUE or tokens[index - 1].kind in ("LBRACE", "RBRACE"))
    )


def matches(tokens: list[Token]) -> dict[int, int] | None:
    """For each bracket the index of its partner, or None where some have none."""
    partner: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind in CLOSER:
            opened.append(index)
        elif token.kind in _SIGN:
            if not opened or CLOSER[tokens[opened[-1]].kind] != token.kind:
                return None
            partner[index] = opened.pop()
            partner[partner[index]] = index
    return None if opened else partner


@dataclass(slots=True)
class _Balance:
    """One walk over unbalanced tokens. `done` are the tokens with every bracket paired."""

    source: Source
    tokens: list[Token]
    done: list[Token] = field(default_factory=list)
    opened: list[Token] = field(default_factory=list)
    # closing braces beyond the opening ones
    extra: int = 0
    found: list[Diagnostic] = field(default_factory=list)

    def _span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def _indent(self, token: Token) -> int:
        return indent_of(self.source, token)

    def _same_line(self, a: Token, b: Token) -> bool:
        return "\n" not in self.source.text[a.start : b.start]

    def _close(self, *, silently: bool = False) -> None:
        """Put in the bracket that is missing after the last token."""
        opener = self.opened.pop()
        end = self.done[-1].end
        closer = CLOSER[opener.kind]
        if not silently:
            sign, missing = _SIGN[opener.kind], _SIGN[closer]
            place = Span(self.source, end, end)
            notes = (Note(f"a `{missing}` seems to be missing here", place),)
            message = f"each `{sign}` is closed by a `{missing}`"
            self.found.append(
                Diagnostic(
                    "unclosed-bracket", message, self._span(opener), "never closed", notes, f"write `{missing}` where it ends"
                )
            )
        self.done.append(Token(closer, end, end))

    def walk(self) -> None:
        kinds = [token.kind for token in self.tokens]
        self.extra = kinds.count("RBRACE") - kinds.count("LBRACE")
        for index, token in enumerate(self.tokens):
            self._before(index, token)
            if token.kind in CLOSER:
                self.opened.append(token)
            elif token.kind in _SIGN and not self._closes(token):
                continue
            self.done.append(token)

    def _before(self, index: int, token: Token) -> None:
        """Close what cannot reach over this token."""
        item = begins_item(self.source, self.tokens, index)
        if item or token.kind in ("RBRACE", END):
            while self.opened and self.opened[-1].kind != "LBRACE":
                self._close()
        if token.kind == END:
            while self.opened:
                self._close()
        elif item:
            while self.opened and self._ended(self.opened[-1], token):
                self._close()

    def _ended(self, opener: Token, item: Token) -> bool:
        return item.kind in _TOP or (not self._same_line(opener, item) and self._indent(item) <= self._indent(opener))

    def _odd(self, opener: Token, token: Token) -> bool:
        """Whether a closing brace stands where nobody would end the block of this opener."""
        if self._same_line(opener, token):
            return False
        return not first_on_line(self.source, token) or self._indent(token) != self._indent(opener)

    def _closes(self, token: Token) -> bool:
        """Pair a closing bracket; false where it is to be left out."""
        if token.kind == "RBRACE" and first_on_line(self.source, token):
            # a brace further out than its opener closes an outer block that begins in the same column
            while (
                len(self.opened) > 1
                and not self._same_line(self.opened[-1], token)
                and self._indent(token) < self._indent(self.opened[-1])
                and any(self._indent(outer) == self._indent(token) for outer in self.opened[:-1])
            ):
                self._close()
        sign = _SIGN[token.kind]
        if token.kind == "RBRACE" and self.opened and self.extra > 0 and self._odd(self.opened[-1], token):
            self.extra -= 1
            message = "each `}` closes a `{`"
            notes = (Note("it would end this block", self._span(self.opened[-1])),)
            self.found.append(Diagnostic("unexpected-bracket", message, self._span(token), "one too many", notes, "remove it"))
            return False
        if self.opened and CLOSER[self.opened[-1].kind] == token.kind:
            self.opened.pop()
            return True
        if not self.opened or self.opened[-1].kind == "LBRACE":
            message = f"`{sign}` closes nothing"
            around = (Note("the innermost open bracket", self._span(self.opened[-1])),) if self.opened else ()
            self.found.append(
                Diagnostic("unexpected-bracket", message, self._span(token), "no bracket is open for it", around, "remove it")
            )
            return False
        opener = self.opened[-1]
        wanted = _SIGN[CLOSER[opener.kind]]
        inner = [open_.kind for open_ in self.opened[::-1]]
        inner = inner[: inner.index("LBRACE")] if "LBRACE" in inner else inner
        if any(CLOSER[kind] == token.kind for kind in inner):
            # the right opener is further out: what stands between was not closed
            while CLOSER[self.opened[-1].kind] != token.kind:
                self._close()
            self.opened.pop()
            return True
        notes = (Note(f"`{_SIGN[opener.kind]}` was opened here", self._span(opener)),)
        message = f"`{sign}` cannot close `{_SIGN[opener.kind]}`"
        self.found.append(
            Diagnostic("unexpected-bracket", message, self._span(token), f"expected `{wanted}`", notes, f"write `{wanted}`")
        )
        self.opened.pop()
        self.done.append(Token(CLOSER[opener.kind], token.start, token.end))
        return False


def balance(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """Tokens in which every bracket has a partner, and what was wrong with those that had none."""
    if matches(tokens) is not None:
        return tokens, []
    walk = _Balance(source, tokens)
    walk.walk()
    return walk.done, walk.found
