"""How a text stands in YAML as one scalar: plain where that is safe, else in quotes."""

from __future__ import annotations

import re
from functools import cache

WIDTH = 100
_KEY_LENGTH = 500


@cache
def _odd() -> re.Pattern[str]:
    """Characters that YAML cannot hold as they are, or would take for a line break."""
    return re.compile("[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def scalar(text: str, *, flow: bool = False, key: bool = False) -> str:
    """A text as one scalar; `flow`: inside braces or brackets, where commas cut."""
    if _plain(text, flow=flow) and not (key and len(text) > _KEY_LENGTH):
        return text
    if _odd().search(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + _odd().sub(lambda found: _escape(found[0]), escaped) + '"'
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _escape(char: str) -> str:
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"


def _plain(text: str, *, flow: bool) -> bool:
    if not text or text != text.strip() or "\t" in text or _odd().search(text):
        return False
    if text[0] in "[]{}*&!|>%@`\"'#,?:" or text.startswith(("- ", "--- ", "... ")) or text in ("-", "=", "<<"):
        return False
    if ": " in text or " #" in text or text.endswith(":"):
        return False
    return not flow or not any(sign in text for sign in ",[]{}:?'\"")


def holds(text: str) -> bool:
    """Whether a comment can stand in YAML as it is."""
    return not _odd().search(text)


def wrapped(start: str, text: str, indent: str) -> list[str]:
    """The lines of `start` and a plain text behind it, cut before arrows and bars where one line is too long."""
    if len(start) + len(text) <= WIDTH or text[0] in "\"'" or '"' in text:
        return [start + text]
    lines = [start]
    for piece in _pieces(text):
        if len(lines[-1]) + len(piece) > WIDTH and lines[-1].strip() and lines[-1] != start:
            lines[-1] = lines[-1].rstrip()
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> list[str]:
    """A text cut before each arrow and bar that stands in no bracket."""
    pieces = [""]
    depth = 0
    for word in re.split("( )", text):
        if not depth and word in ("->", "|"):
            pieces.append("")
        depth += word.count("(") + word.count("[") - word.count(")") - word.count("]")
        pieces[-1] += word
    return pieces
