"""Items, blocks and names that cannot stand where they do."""

from __future__ import annotations

from archdsl.lang.brackets import ENDS_VALUE, STARTERS
from archdsl.lang.grammar import tables
from archdsl.lang.stuck import BLOCKS, CLAUSES, OPERATORS, PLACES, VALUES, Stuck, expected_words, fitting, word_of
from archdsl.lang.tokens import END, Token
from archdsl.source.diagnostic import Diagnostic, Fix, Note
from archdsl.source.suggest import closest

# words of other languages that choose between values
_CONDITIONS = frozenset(["if", "else", "elif", "unless", "when", "where", "and", "or"])


def reserved(stuck: Stuck) -> Diagnostic | None:
    """A reserved word where a name is given or used."""
    token, before = stuck.token, stuck.before
    words = tables().words
    if token.kind not in words.values() or "NAME" not in stuck.expected or before is None or stuck.new_line:
        return None
    if stuck.expected & STARTERS or before.kind in ("RBRACE", "LBRACE"):
        return None
    word = stuck.text(token)
    message = f"`{word}` is a reserved word and cannot be a name"
    reserved = ", ".join(f"`{each}`" for each in words)
    return Diagnostic("reserved-word", message, stuck.span(token), "a name is needed here", (), f"reserved are {reserved}")


def misspelt(stuck: Stuck) -> Diagnostic | None:
    """A word that begins no item but nearly does."""
    token, before = stuck.token, stuck.before
    words = tables().words
    # `frist {` and `stge s1 {`: seen at the token after the word; `residul x -> y`: seen at the word itself
    places = [token]
    if before is not None and "EQUAL" in stuck.expected:
        places = [before]
    for word in places:
        index = stuck.index if word is token else stuck.index - 1
        if word.kind != "NAME" or (stuck.tokens[index + 1].kind == "EQUAL" and word is before):
            continue
        begins = index == 0 or stuck.tokens[index - 1].kind in ("LBRACE", "RBRACE", "COMMA")
        if not begins and "\n" not in stuck.source.text[stuck.tokens[index - 1].end : word.start]:
            continue
        # first the words that fit here, then those that fit elsewhere
        here = set(fitting(stuck))
        kinds = (here, STARTERS - here)
        found = (closest(stuck.text(word), [text for text, kind in words.items() if kind in few]) for few in kinds)
        best = next((each for each in found if each is not None), None)
        if best is not None:
            message = f"`{stuck.text(word)}` begins no item"
            span = stuck.span(word)
            return Diagnostic(
                "unexpected-text", message, span, "not a word of the language", (), f"did you mean `{best}`?", Fix(span, best)
            )
    return None


def misplaced(stuck: Stuck) -> Diagnostic | None:
    """An item in a block where it has no place."""
    token = stuck.token
    if token.kind not in STARTERS or token.kind in fitting(stuck):
        return None
    if not (stuck.expected & STARTERS or "RBRACE" in stuck.expected):
        return None
    word, block = stuck.text(token), stuck.block
    place = PLACES.get(token.kind, "in an arch, a space or a stage")
    where = f"inside {BLOCKS[block]}" if block else "at the top of the file"
    notes: tuple[Note, ...] = ()
    before = stuck.before
    if not block and before is not None and before.kind == "RBRACE":
        notes = (Note("the block before it was closed here", stuck.span(before)),)
    return Diagnostic("misplaced-item", f"`{word}` stands {place}", stuck.span(token), f"this is {where}", notes)


def brace(stuck: Stuck) -> Diagnostic | None:
    """A block that is not opened."""
    token = stuck.token
    if "LBRACE" not in stuck.expected or stuck.before is None:
        return None
    span = stuck.span(token) if token.kind == "EQUAL" else stuck.gap
    if token.kind == "EQUAL" and stuck.after.kind == "LBRACE":
        return Diagnostic(
            "unexpected-text", "a block follows its name at once", span, "no `=` here", (), "remove it", Fix(span, "")
        )
    others = sorted(word_of(kind) for kind in stuck.expected & set(tables().words.values()))
    more = "".join(f", or `{word}` before it" for word in others)
    return Diagnostic("unexpected-text", f"`{{` is missing after `{stuck.text(stuck.before)}`", span, f"expected `{{`{more}")


def line(stuck: Stuck) -> Diagnostic | None:
    """Something else than a line in a layout."""
    if not {"RESIDUAL", "THEN"} <= stuck.expected or stuck.token.kind in ("COMMA", "RBRACE", END) or stuck.block != "LAYOUT":
        return None
    if stuck.token.kind == "SKIP" or (stuck.expected >= OPERATORS and not stuck.new_line):
        return None
    help = "write `residual` (added to what came in) or `then` (in its place) before it"
    return Diagnostic(
        "unexpected-text",
        "a line of a layout begins with `residual` or `then`",
        stuck.span(stuck.token),
        "begins with neither",
        (),
        help,
    )


def quoted_name(stuck: Stuck) -> Diagnostic | None:
    token = stuck.token
    if "NAME" not in stuck.expected or stuck.expected >= VALUES or stuck.expected & STARTERS:
        return None
    before = stuck.text(stuck.before) if stuck.before else ""
    if token.kind == "STRING":
        span = stuck.span(token)
        inner = span.text[1:-1]
        fix = Fix(span, inner) if inner.isidentifier() and inner.isascii() else None
        help = f"write `{inner}`" if fix else ""
        return Diagnostic("unexpected-text", "a name stands without quotes", span, "a text", (), help, fix)
    place = stuck.gap if stuck.new_line or token.kind in (END, "EQUAL", "LBRACE", "RBRACE") else stuck.span(token)
    return Diagnostic("unexpected-text", f"`{before}` is followed by a name", place, expected_words(stuck.expected))


def clause(stuck: Stuck) -> Diagnostic | None:
    """A word that goes on in an item of another kind."""
    token = stuck.token
    given = "NAME" in stuck.expected and not stuck.expected >= OPERATORS and not stuck.expected & STARTERS
    if token.kind not in CLAUSES or given:
        return None
    message = f"`{stuck.text(token)}` {CLAUSES[token.kind]}"
    return Diagnostic("unexpected-text", message, stuck.span(token), expected_words(stuck.expected))


def bare_name(stuck: Stuck) -> Diagnostic | None:
    """A name that is given nothing."""
    token, before = stuck.token, stuck.before
    if (
        before is None
        or before.kind != "NAME"
        or not {"EQUAL"} <= stuck.expected
        or "COMMA" in stuck.expected
        or stuck.index < 2
    ):
        return None
    older = stuck.tokens[stuck.index - 2]
    if older.kind in ENDS_VALUE and "\n" not in stuck.source.text[older.end : before.start]:
        return stray(stuck, before)
    bare = stuck.new_line or token.kind in ("RBRACE", "COMMA", END)
    if bare and older.kind not in ("LET", "NODE", "HEAD", "EXPECT"):
        return Diagnostic("missing-value", f"`{stuck.text(before)}` has no value", stuck.gap, "expected `=` and a value")
    return None


def stray(stuck: Stuck, token: Token) -> Diagnostic:
    """A value behind a complete value."""
    text = stuck.text(token)
    if text in _CONDITIONS:
        message = "there are no conditions: a value is what it is"
        help = "let the arch that differs `extends` this one and give its own value; a `space` has alternatives: `2 | 3`"
        return Diagnostic("unexpected-text", message, stuck.span(token), f"`{text}` is no word of the language", (), help)
    help = f"`-> {text}` sends data on; another item begins in a new line, or after `,`"
    return Diagnostic("unexpected-text", f"`{text}` follows a complete value", stuck.span(token), "expected `->`", (), help)


def missing_sign(stuck: Stuck) -> Diagnostic | None:
    """One thing only may stand here, and it is not there."""
    token = stuck.token
    if stuck.before is None or len(stuck.expected) > 2 or not (stuck.new_line or token.kind in (END, "RBRACE")):
        return None
    what = expected_words(stuck.expected).removeprefix("expected ")
    return Diagnostic("unexpected-text", f"{what} is missing after `{stuck.text(stuck.before)}`", stuck.gap, f"expected {what}")


def top(stuck: Stuck) -> Diagnostic | None:
    """Something that begins no item, outside of every block."""
    if stuck.block or not {"ARCH", "SPACE"} <= stuck.expected or stuck.expected & OPERATORS:
        return None
    if stuck.token.kind in STARTERS or stuck.token.kind == END:
        return None
    message = "a file holds `arch`, `space`, `let`, `layout`, `import` and `edition`"
    help = "values of an arch stand in its braces: `arch name { ... }`"
    return Diagnostic("unexpected-text", message, stuck.span(stuck.token), "none of them", (), help)
