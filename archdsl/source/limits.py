"""The limits of a spec. It is a text from a stranger: what passes a limit is refused before any work is done on it."""

from __future__ import annotations

from typing import Final

# --- a file ---
FILE_BYTES: Final = 1024 * 1024
TOKENS: Final = 100_000  # a comment is one
YAML_CHARACTERS: Final = 256 * 1024
YAML_NODES: Final = 25_000  # maps, lists, keys and values
YAML_DEPTH: Final = 64  # maps and lists open at one place
KEY_MAP_RULES: Final = 2_000  # a rule with ranges counts once for each combination of their numbers
FOLDER_ENTRIES: Final = 100_000  # looked at in a folder that stands for its specs

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
ARCH_ERRORS: Final = 20  # then the rest of the arch is left aside
TOLD: Final = 100  # errors in one run; warnings likewise

# --- what it comes to ---
FILES: Final = 64  # read for one spec, with its imports
MAGNITUDE: Final = 2**53  # of a number
BASES: Final = 32  # archs that extend each other
STEPS: Final = 150_000  # expressions evaluated and components placed, for all specs of a file
EVALUATION_DEPTH: Final = 120  # values that need each other
BLOCKS: Final = 2_000
PARTS: Final = 20_000  # components of a network
PARAMETERS: Final = 5_000_000_000
ELEMENTS: Final = 2**31  # of one image's map anywhere in the network
DECISIONS: Final = 1_000
DOMAIN: Final = 10_000  # values of one range
VALUES: Final = 100_000  # of all decisions of a space
SIZES: Final = 16  # other inputs at which an arch says what it expects
OPERATIONS: Final = 10**14  # for one image
