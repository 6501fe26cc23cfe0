"""The limits of a spec. It is a text from a stranger: what passes a limit is refused before any work is done on it."""

from __future__ import annotations

from typing import Final

# --- a file ---
FILE_BYTES: Final = 1024 * 1024
TOKENS: Final = 100_000  # a comment is one

# --- what is written ---
NAME_LENGTH: Final = 64
STRING_LENGTH: Final = 1024
NUMBER_LENGTH: Final = 40

# --- how deep it goes ---
BRACKETS: Final = 64  # `(`, `[` and `{` open at one place
# four of the brackets may be the braces of arch, stage, position and layout; each level of an expression may need one
EXPRESSION_DEPTH: Final = BRACKETS - 4

# --- what is said about it ---
SYNTAX_ERRORS: Final = 20
