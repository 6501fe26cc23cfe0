"""How a text looks on a terminal: what may be echoed, and how many cells it takes."""

from __future__ import annotations

_TAB = " " * 4


def safe(text: str) -> str:
    """The text with everything invisible spelled out as `U+XXXX`; line breaks stay, a tab becomes a blank."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char == "\n" else " " if char == "\t" else _visible(char) for char in text)


def safe_line(text: str) -> str:
    """As `safe`, on one line: line breaks are spelled out, too."""
    return "".join(map(_visible, text))


def cells(text: str) -> list[tuple[str, int]]:
    """For each character what is printed for it, and how many terminal cells that takes."""
    if text.isascii() and text.isprintable():
        return [(char, 1) for char in text]
    return [_cell(char) for char in text]


def _cell(char: str) -> tuple[str, int]:
    if char == "\t":
        return _TAB, len(_TAB)
    shown = _visible(char)
    return shown, len(shown) if len(shown) > 1 else _width(char)


def text_width(text: str) -> int:
    """The cells that a printed text takes."""
    return len(text) if text.isascii() else sum(_width(char) for char in text)


def _visible(char: str) -> str:
    # controls, bidirectional marks, lone surrogates and odd blanks are all "not printable"
    return char if char.isprintable() else f"U+{ord(char):04X}"


def _width(char: str) -> int:
    if char.isascii():
        return 1
    import unicodedata

    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
