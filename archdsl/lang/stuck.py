"""A place where the automaton can go no further: what stands there, what might, and how to say it."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.lang.brackets import STARTERS
from archdsl.lang.grammar import tables
from archdsl.lang.tokens import END, Token
from archdsl.source.record import dataclass
from archdsl.source.text import Source, Span

VALUES = frozenset(["NAME", "INT", "FLOAT", "QUANTITY", "SHAPE", "STRING", "LPAR", "LSQB", "MINUS"])
OPERATORS = frozenset(["ARROW", "PLUS", "STAR", "SLASH", "VBAR", "DOTDOT"])
_NAMES = {
    "NAME": "a name",
    "INT": "a whole number",
    "FLOAT": "a number",
    "QUANTITY": "a quantity",
    "SHAPE": "a size",
    "STRING": "a text in double quotes",
    "COMPARE": "`<=` or another comparison",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "DOT": "`.`",
    "ARROW": "`->`",
    "PLUS": "`+`",
    "MINUS": "`-`",
    "STAR": "`*`",
    "SLASH": "`/`",
    "VBAR": "`|`",
    "DOTDOT": "`..`",
    END: "the end",
}
# where the items that have one place stand
PLACES = {
    **dict.fromkeys(("ARCH", "SPACE", "IMPORT", "EDITION"), "at the top of a file"),
    **dict.fromkeys(("STAGE", "DEFAULT", "NODE", "HEAD"), "in an arch or a space"),
    **dict.fromkeys(("BUDGET", "REQUIRE", "MAXIMIZE", "MINIMIZE"), "in a space"),
    **dict.fromkeys(("FIRST", "LAST"), "in a stage or in `default`"),
    **dict.fromkeys(("RESIDUAL", "THEN"), "in a layout"),
    "EXPECT": "in an arch",
}
BLOCKS = {
    "ARCH": "an arch",
    "SPACE": "a space",
    "STAGE": "a stage",
    "DEFAULT": "`default`",
    "LAYOUT": "a layout",
    "FIRST": "`first`",
    "LAST": "`last`",
}

# words that go on inside an item
CLAUSES = {
    "SKIP": "belongs to a `residual` line",
    "AT": "belongs to `expect` and `budget`",
    "BY": "belongs to `expect` and `budget`",
    "BECAUSE": "belongs to `expect`",
    "STEP": "follows a range, as in `2..8 step 2`",
    "EXTENDS": "follows the name of an arch",
    "OVER": "follows the name of a space",
}


@dataclass(frozen=True, slots=True)
class Stuck:
    """An automaton that cannot take `tokens[index]`; it would take one of `expected`.

    `enclosing` has for each token the index of the open brace around it.
    """

    source: Source
    tokens: list[Token]
    index: int
    expected: frozenset[str]
    enclosing: list[int | None]
    start: str

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    @property
    def before(self) -> Token | None:
        return self.tokens[self.index - 1] if self.index else None

    @property
    def after(self) -> Token:
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)]

    def text(self, token: Token) -> str:
        """What a token says, shortened."""
        text = self.source.text[token.start : token.end]
        return text if len(text) <= 40 else f"{text[:37]}..."

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    @property
    def gap(self) -> Span:
        """The empty place behind the token before."""
        return self.span(self.before).after() if self.before else self.span(self.token).head()

    @property
    def new_line(self) -> bool:
        """Whether a line break stands before the token."""
        return self.before is None or "\n" in self.source.text[self.before.end : self.token.start]

    @property
    def block(self) -> str:
        """The reserved word whose block this is: `STAGE`, ...; empty at the top."""
        brace = self.enclosing[self.index]
        if brace is None:
            return ""
        for back in range(brace - 1, -1, -1):
            if self.tokens[back].kind in BLOCKS and self.tokens[back + 1].kind != "EQUAL":
                return self.tokens[back].kind
            if self.tokens[back].kind in ("LBRACE", "RBRACE"):
                break
        return ""


def expected_words(kinds: frozenset[str]) -> str:
    """What may stand here, in words, if that can be said shortly."""
    words = tables().words
    items = kinds & STARTERS
    rest = set(kinds)
    said: list[str] = []
    if kinds >= VALUES:
        said.append("a value")
        rest -= VALUES
    if len(items) > 3:
        said.append("an item")
        rest -= STARTERS | {"NAME"}
    if kinds >= OPERATORS:
        # a value may go on in many ways; the reader wants to know what may come after it
        rest -= OPERATORS | {"MINUS", "LPAR", "DOT", "COMMA"} | ({"NAME"} if items else set())
        if "COMMA" in kinds and kinds & {"RPAR", "RSQB"}:
            rest.add("COMMA")
        if items and len(items) <= 3 and "EXPECT" not in items:
            said.append("an item") if not rest & {"RESIDUAL", "THEN"} else None
    names = {kind: f"`{word}`" for word, kind in words.items()} | _NAMES
    order = [*_NAMES, *sorted(words.values())]
    said += [names[kind] for kind in order if kind in rest]
    if not said or len(said) > 8:
        return "not expected here"
    return "expected " + (said[0] if len(said) == 1 else ", ".join(said[:-1]) + " or " + said[-1])


def fitting(stuck: Stuck) -> Iterator[str]:
    """The words that begin an item in this block."""
    block = stuck.block
    if block == "":
        yield from ("ARCH", "SPACE", "IMPORT", "EDITION", "LET", "LAYOUT")
    elif block == "LAYOUT":
        yield from ("RESIDUAL", "THEN")
    else:
        yield from ("LET", "LAYOUT")
        if block in ("ARCH", "SPACE"):
            yield from ("STAGE", "DEFAULT", "NODE", "HEAD")
            yield from ("EXPECT",) if block == "ARCH" else ("BUDGET", "REQUIRE", "MAXIMIZE", "MINIMIZE")
        elif block in ("STAGE", "DEFAULT"):
            yield from ("FIRST", "LAST")


def subject(stuck: Stuck) -> str:
    """What the `=` before this token gives a value to: `let w`, `dim`, `head`."""
    words: list[Token] = []
    for back in range(stuck.index - 2, max(stuck.index - 5, -1), -1):
        if stuck.tokens[back].kind == "NAME" or stuck.tokens[back].kind in STARTERS:
            words.insert(0, stuck.tokens[back])
            if stuck.tokens[back].kind in STARTERS or len(words) == 2:
                break
        else:
            break
    if len(words) == 2 and words[0].kind not in STARTERS:
        words = words[1:]
    return " ".join(stuck.text(word) for word in words)


def word_of(kind: str) -> str:
    """The reserved word of a terminal."""
    return next(word for word, each in tables().words.items() if each == kind)
