"""Specs changed at random, by bytes and by tokens; more than a seventh of them remain valid."""

from __future__ import annotations

import random
from collections.abc import Callable

from archdsl.lang.tokens import Token, scan
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.text import Source

_SIGNS = [*"{}()[]=,.|+-*/<>\"#'%;:", "->", "..", "<=", "==", "\n", "//", "1e999", "9" * 60, "3x3", "2.2Gb"]
_SIGNS += ["\x00", "\u202e", "é", "\ufeff"]
_WORDS = ["let", "arch", "stage", "first", "layout", "expect", "require", "at", "step", "skip", "none", "s1", "conv", "dim"]
_BLANKS = [" ", "\n", "\t", "\r\n", "  # a comment\n", "\n\n\n", "\n# alone\n"]


def mutate(text: str, rng: random.Random) -> str:
    """The text with one to three changes, at least half of them harmless by themselves."""
    change = rng.choice((_harmless, _harmless, _tokens, _bytes, _either))
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = change(text, rng)
    return text


def _either(text: str, rng: random.Random) -> str:
    return rng.choice((_harmless, _tokens, _bytes))(text, rng)


def _bytes(text: str, rng: random.Random) -> str:
    """Characters taken out, put in, exchanged or repeated anywhere."""
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + rng.choice((1, 1, 2, 8)))
    new = rng.choice(
        ("", text[at:end] * 2, text[at:end][::-1], rng.choice(_SIGNS), chr(rng.randrange(1, 300)), rng.choice(_WORDS))
    )
    return text[:at] + new + text[end:]


def _cut(text: str) -> list[Token]:
    try:
        return scan(Source("mutant", text), 0, len(text), Report()).tokens[:-1]
    except Reported:
        return []


def _tokens(text: str, rng: random.Random) -> str:
    """Whole words and signs dropped, doubled, exchanged or replaced."""
    tokens = _cut(text)
    if len(tokens) < 2:
        return text
    a, b = sorted(rng.sample(range(len(tokens)), 2))
    first, second = tokens[a], tokens[b]
    one, two = text[first.start : first.end], text[second.start : second.end]
    new = rng.choice(("", f"{one} {one}", two, rng.choice(_SIGNS), rng.choice(_WORDS)))
    if rng.random() < 0.3:
        # the two change places
        return text[: first.start] + two + text[first.end : second.start] + one + text[second.end :]
    return text[: first.start] + new + text[first.end :]


def _harmless(text: str, rng: random.Random) -> str:
    """Blanks, comments, other numbers, other names, parentheses, and lines of items doubled or dropped."""
    tokens = _cut(text)
    if not tokens:
        return text
    return rng.choice(_HARMLESS)(text, tokens, rng)


def _blank(text: str, tokens: list[Token], rng: random.Random) -> str:
    at = rng.choice(tokens).start
    return text[:at] + rng.choice(_BLANKS) + text[at:]


def _number(text: str, tokens: list[Token], rng: random.Random) -> str:
    found = [token for token in tokens if token.kind in ("INT", "FLOAT", "SHAPE")]
    if not found:
        return text
    token = rng.choice(found)
    old = text[token.start : token.end]
    new = {
        "INT": str(rng.choice((0, 1, 2, 7, 31, 64, 1000, 10**9))),
        "FLOAT": rng.choice(("0.5", "1e-6", "3.0")),
        "SHAPE": old.replace(old[0], str(rng.randrange(1, 9)), 1),
    }[token.kind]
    return text[: token.start] + new + text[token.end :]


def _rename(text: str, tokens: list[Token], rng: random.Random) -> str:
    names = [token for token in tokens if token.kind == "NAME"]
    if not names:
        return text
    token, other = rng.choice(names), rng.choice(names)
    return text[: token.start] + text[other.start : other.end] + text[token.end :]


def _parentheses(text: str, tokens: list[Token], rng: random.Random) -> str:
    """A value in parentheses."""
    found = [
        i
        for i in range(1, len(tokens))
        if tokens[i].kind in ("INT", "SHAPE") and tokens[i - 1].kind in ("EQUAL", "STAR", "COMMA")
    ]
    if not found:
        return text
    token = tokens[rng.choice(found)]
    return f"{text[: token.start]}({text[token.start : token.end]}){text[token.end :]}"


def _line(text: str, tokens: list[Token], rng: random.Random) -> str:
    """A line with balanced brackets and an item of its own, doubled or dropped."""
    lines = text.split("\n")
    found = [
        i
        for i, line in enumerate(lines)
        if any(line.count(a) != line.count(b) for a, b in ("()", "[]", "{}")) is False
        and (
            not line.strip()
            or line.lstrip().startswith(("let ", "stage ", "residual ", "then ", "expect ", "dim", "depth", "#"))
        )
    ]
    if not found:
        return text
    i = rng.choice(found)
    lines[i : i + 1] = [] if rng.random() < 0.5 else [lines[i], lines[i]]
    return "\n".join(lines)


_HARMLESS: tuple[Callable[[str, list[Token], random.Random], str], ...] = (
    _blank,
    _blank,
    _number,
    _rename,
    _parentheses,
    _line,
)
