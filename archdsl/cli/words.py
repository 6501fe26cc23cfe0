"""The words of the language, each with what the reference says of it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from archdsl.resources import data_path
from archdsl.source.record import dataclass

_CODE = re.compile(r"`([^`]+)`")
_QUOTED = re.compile(r'"[^"]*"')
_SENTENCE = re.compile(r"(?<=[.:]) ")
# how a sentence begins that says what some code is
_DEFINING = re.compile(r"(?:One |A stage may give )?(`[^`]+`)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_RESERVED = re.compile(r"^Reserved: `([a-z\s]+)`\.", re.M)
# in how many places a word is told of at most
_MOST = 4


@dataclass(frozen=True, slots=True)
class _Entry:
    """A paragraph, an item of a list or a row of a table, with the section that it stands in."""

    section: str
    text: str
    row: bool

    def defines(self, word: str) -> bool:
        """Whether it, or a sentence in it, begins with code in which the word stands, or says what a WORD is."""
        if self.row:
            return word in _code_words(self.text.partition(" | ")[0])
        starts = [self.text.removeprefix("- "), *_SENTENCE.split(self.text)[1:]]
        code = any(word in _code_words(match[1]) for start in starts if (match := _DEFINING.match(start)))
        return code or any(re.match(rf"An? {word} (is|may|must)\b", start) for start in starts)

    def names(self, word: str) -> bool:
        """Whether the word alone is code in it."""
        return f"`{word}`" in self.text

    def mentions(self, word: str) -> bool:
        """Whether the word is part of code in it."""
        return word in _code_words(self.text)


def _code_words(text: str) -> set[str]:
    """The words in the code of a text; those in quotes are no words of the language."""
    return {word for code in _CODE.findall(text) for word in _WORD.findall(_QUOTED.sub("", code))}


def words() -> list[str]:
    """The words that the language gives a meaning, sorted."""
    from archdsl.ir.lookup import CONSTANTS, STRUCTURE
    from archdsl.ir.model import ARCH_ATTRIBUTES, STAGE_ATTRIBUTES
    from archdsl.ir.objectives import OBJECTIVES
    from archdsl.ir.rules import RULES

    reserved = _RESERVED.search(_reference())
    assert reserved
    known = {*reserved[1].split(), *RULES, *OBJECTIVES, *CONSTANTS, *STRUCTURE, *ARCH_ATTRIBUTES, *STAGE_ATTRIBUTES, "identity"}
    return sorted(known)


def word_about(word: str, width: int) -> str:
    """What the reference says of a word: where it is defined, else where it is named first."""
    entries = [entry for entry in _entries(_reference()) if not entry.section.startswith("13.")]
    entries = [entry for entry in entries if not entry.text.startswith("Reserved:")]
    found = (
        [entry for entry in entries if entry.defines(word)]
        or [entry for entry in entries if entry.names(word)][:2]
        or [entry for entry in entries if entry.mentions(word)][:2]
    )
    blocks = [f"{word} (a word of the language)"]
    section = ""
    for entry in found[:_MOST]:
        if entry.section != section:
            section = entry.section
            blocks.append(f"In section {section}:")
        blocks.append(_shown(entry, width))
    return "\n\n".join(blocks)


def _shown(entry: _Entry, width: int) -> str:
    text = ": ".join(entry.text.split(" | ", 1)) if entry.row else entry.text.removeprefix("- ")
    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _reference() -> str:
    return (data_path("grammars") / "README.md").read_text(encoding="utf-8")


def _entries(page: str) -> Iterator[_Entry]:
    section = ""
    lines: list[str] = []
    fenced = False
    for line in [*page.splitlines(), ""]:
        if line.startswith("```"):
            fenced = not fenced
        ends = not line.strip() or line.startswith(("- ", "* ", "|", "#", "```", *"123456789")) or fenced
        if ends and lines:
            yield _Entry(section, " ".join(lines), False)
            lines = []
        if fenced or line.startswith("```"):
            continue
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield _Entry(section, " | ".join(cells), True)
        elif line.strip() and not line.startswith("#") and section:
            lines.append(line.strip())
