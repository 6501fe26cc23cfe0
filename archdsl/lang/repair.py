"""Characters and literals that the language lacks: said once, then read as what was most likely meant."""

from __future__ import annotations

from archdsl.lang.colons import Colons
from archdsl.lang.tokens import BAD_NUMBER, OPEN_STRING, UNKNOWN, Token
from archdsl.source.diagnostic import Diagnostic, Fix
from archdsl.source.text import Source, Span

# what people write out of habit: the token meant (or none) and the help
_HABITS = {
    ":": ("EQUAL", "=", "write `=`, which gives a value: `dim = 64`"),
    ";": ("", "", "leave it out: items need no separator; a line break or a comma is enough"),
    "→": ("ARROW", "->", "write `->`"),
    "−": ("MINUS", "-", "write `-`"),
    "–": ("MINUS", "-", "write `-`"),
    "×": ("STAR", "", "a size is written with the letter: `7x7`; a product with `*`"),
    "≤": ("COMPARE", "<=", "write `<=`"),
    "≥": ("COMPARE", ">=", "write `>=`"),
    "@": ("", "", "`@name` stands in the quotes of an import only"),
    "&": ("", "", "`a + b` adds what two parts make of the same input, `a -> b` sends data on"),
    "\\": ("", "", "a value may go on in the next line without a sign"),
}
_QUOTES = {"'": "'", "“": "”", "`": "`", "‘": "’", "”": "”"}


def repair(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """Tokens of the grammar only, and what was said about the others."""
    done: list[Token] = []
    found: list[Diagnostic] = []
    text = source.text
    colons = Colons(source)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        colons.close(token, done)
        index += 1
        following = tokens[index] if index < len(tokens) else token
        span = Span(source, token.start, token.end)
        if token.kind == OPEN_STRING:
            help = 'close it with `"`; a text stands on one line'
            found.append(
                Diagnostic("unclosed-string", 'a text ends with `"`', span.head(), "no closing quote in this line", (), help)
            )
            done.append(Token("STRING", token.start, token.end))
        elif token.kind == BAD_NUMBER:
            index = _swallow(tokens, index, token.end)
            whole = Span(source, token.start, tokens[index - 1].end)
            label = f"`{_short(whole.text)}` is none of these"
            message = "a number is `12`, `1_000`, `0.5` or `1e-6`, a size `7x7`, a quantity `2.2G`"
            found.append(Diagnostic("malformed-number", message, whole, label))
            done.append(Token("INT", token.start, whole.end))
        elif token.kind == UNKNOWN and text[token.start] == ":" and (said := colons.opens(token, following, done)):
            found.append(said)
        elif token.kind == UNKNOWN:
            index = _unknown(source, tokens, index - 1, done, found)
        elif token.kind == "SLASH" and following.kind in ("SLASH", "STAR") and following.start == token.end:
            line = following.kind == "SLASH"
            end = text.find("\n" if line else "*/", token.end)
            end = len(text) if end < 0 else end if line else end + 2
            sign = Span(source, token.start, following.end)
            fix = Fix(sign, "#", safe=True) if line else None
            found.append(Diagnostic("unexpected-text", "a comment begins with `#`", sign, "no comment", (), "write `#`", fix))
            while tokens[index].start < end and index < len(tokens) - 1:
                index += 1
        else:
            done.append(token)
    return done, found


def _unknown(source: Source, tokens: list[Token], index: int, done: list[Token], found: list[Diagnostic]) -> int:
    """Deal with the unknown character at `index`; returns where to go on."""
    token = tokens[index]
    char = source.text[token.start]
    span = Span(source, token.start, token.end)
    if char in _QUOTES:
        line_end = source.text.find("\n", token.end)
        line_end = len(source.text) if line_end < 0 else line_end
        close = source.text.find(_QUOTES[char], token.end, line_end)
        if close >= 0:
            whole = Span(source, token.start, close + 1)
            fix = Fix(whole, f'"{whole.text[1:-1]}"') if '"' not in whole.text and len(whole.text) < 100 else None
            help = f"write `{fix.text}`" if fix else ""
            found.append(
                Diagnostic("unknown-character", "a text stands in double quotes", span, "another quote", (), help, fix)
            )
            done.append(Token("STRING", token.start, close + 1))
            return next(i for i in range(index, len(tokens)) if tokens[i].start > close or i == len(tokens) - 1)
    end = index + 1
    while char not in _HABITS and tokens[end].kind == UNKNOWN and tokens[end].start == tokens[end - 1].end:
        end += 1
    whole = Span(source, token.start, tokens[end - 1].end)
    kind, meant, help = _HABITS.get(char, ("", "", ""))
    shown = _shown(whole.text)
    if char.isalpha() and not kind:
        help = "names are made of the letters a to z and A to Z, digits and `_`"
        kind = "NAME"
    fix = Fix(whole, meant, safe=char == ":") if meant else None
    found.append(Diagnostic("unknown-character", f"{shown} is not in the language", whole, "unknown", (), help, fix))
    if kind == "NAME" and done and done[-1].kind == "NAME" and done[-1].end == token.start:
        # the middle of a word: one name, with what stands behind it
        before = done.pop()
        end = _swallow(tokens, end, whole.end)
        done.append(Token("NAME", before.start, tokens[end - 1].end))
    elif kind == "NAME":
        end = _swallow(tokens, end, whole.end)
        done.append(Token("NAME", token.start, tokens[end - 1].end))
    elif kind and not (kind == "EQUAL" and tokens[end].kind == "EQUAL"):
        done.append(Token(kind, token.start, token.end))
    return end


def _swallow(tokens: list[Token], index: int, end: int) -> int:
    """Skip the words and numbers that stand right behind `end` without a blank."""
    while tokens[index].start == end and tokens[index].kind in ("NAME", "INT", BAD_NUMBER, UNKNOWN, "QUANTITY", "SHAPE"):
        end = tokens[index].end
        index += 1
    return index


def _shown(text: str) -> str:
    """A run of characters in backticks, or their number where they cannot be seen."""
    short = _short(text)
    return f"`{short}`" if short.isprintable() and not short.isspace() else f"U+{ord(text[0]):04X}"


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:17]}..."
