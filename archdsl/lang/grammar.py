"""The grammar as tables: made by Lark from `grammars/arch.lark`, shipped ready-made in `tables.py`.

Making them takes a fifth of a second and importing Lark a twentieth, so a run of the front end does neither unless the
grammar has changed. `python -m archdsl.lang.grammar --write` makes `tables.py` anew, `--check` exits 1 where it is stale.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any, TypeAlias

from archdsl.resources import data_path
from archdsl.source.record import dataclass

STARTS = ("start", "expr", "override")

# everything in the shipped tables is nested tuples of constants: such a module loads without running code for each row
Constants: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """An LALR(1) automaton with its terminals.

    `rows[state][symbol]` is the next state after a terminal or a non-terminal, or `~rule` where a rule ends.
    `rules[rule]` has the non-terminal it makes, the number of symbols it takes, and its name in the grammar: its alias,
    else the non-terminal; empty where it only hands its one part on. `starts` and `ends` have the first and the
    accepting state of each start symbol.
    `patterns` are the terminals that are regular expressions or signs, in the order to try them; `words` the reserved words.
    """

    rows: tuple[dict[str, int], ...]
    rules: tuple[tuple[str, int, str], ...]
    starts: dict[str, int]
    ends: dict[str, int]
    patterns: tuple[tuple[str, str], ...]
    words: dict[str, str]


@cache
def tables() -> Tables:
    """The tables of the language."""
    from archdsl.lang import tables as shipped

    grammar = data_path("grammars") / "arch.lark"
    try:
        text = grammar.read_bytes()
    except OSError:
        return _unpacked(shipped.TABLES)
    return _unpacked(shipped.TABLES if fingerprint(text) == shipped.GRAMMAR else make(text.decode("utf-8")))


def fingerprint(text: bytes) -> int:
    """A number that changes when the grammar does; line breaks do not count."""
    return zlib.crc32(text.replace(b"\r\n", b"\n"))


def make(text: str, *, strict: bool = False) -> Constants:
    """The tables of a grammar, packed. The same grammar always gives the same tables."""
    import lark

    made = lark.Lark(text, parser="lalr", lexer="basic", maybe_placeholders=False, start=list(STARTS), strict=strict)
    table = made.parser.parser._parse_table
    rules = {rule: index for index, rule in enumerate(made.rules)}
    # Lark numbers states differently in each process; walking from the starts in a fixed order does not
    number: dict[int, int] = {}
    queue = [table.start_states[start] for start in STARTS]
    for state in queue:
        if state not in number:
            number[state] = len(number)
            row = table.states[state]
            queue.extend(row[symbol][1] for symbol in sorted(row) if row[symbol][0].name == "Shift")
    rows = []
    for state in number:
        row = sorted(table.states[state].items())
        values = (number[to] if action.name == "Shift" else ~rules[to] for _, (action, to) in row)
        rows.append((" ".join(str(symbol) for symbol, _ in row), tuple(values)))
    terminals = made._build_lexer().terminals
    words = [t for t in terminals if t.pattern.type == "str" and t.pattern.value.isalpha()]
    return (
        tuple(rows),
        tuple((str(rule.origin.name), len(rule.expansion), _name(rule)) for rule in made.rules),
        tuple((start, number[table.start_states[start]], number[table.end_states[start]]) for start in STARTS),
        tuple((str(t.name), str(t.pattern.to_regexp())) for t in terminals if t not in words),
        tuple(sorted((str(t.pattern.value), str(t.name)) for t in words)),
    )


def _name(rule: Any) -> str:
    if rule.alias:
        return str(rule.alias)
    return "" if rule.options.expand1 and len(rule.expansion) == 1 else str(rule.origin.name)


def _unpacked(packed: Constants) -> Tables:
    rows, rules, ends, patterns, words = packed
    return Tables(
        rows=tuple(dict(zip(symbols.split(" "), values, strict=True)) if symbols else {} for symbols, values in rows),
        rules=rules,
        starts={start: first for start, first, _ in ends},
        ends={start: last for start, _, last in ends},
        patterns=patterns,
        words=dict(words),
    )


def module_text() -> str:
    """What `tables.py` should hold."""
    import lark

    grammar = (data_path("grammars") / "arch.lark").read_bytes()
    packed = make(grammar.decode("utf-8"))
    lines = ['"""Made by `python -m archdsl.lang.grammar --write`; not edited by hand."""', ""]
    lines += ["# ruff: noqa", "# fmt: off", f"LARK = {lark.__version__!r}", f"GRAMMAR = {fingerprint(grammar)}", "TABLES = ("]
    for part in packed:
        lines += ["    (", *(f"        {entry!r}," for entry in part), "    ),"]
    return "\n".join([*lines, ")", ""])


def main(arguments: list[str]) -> int:
    """Write `tables.py`, or check that it is what the grammar gives."""
    import sys
    from pathlib import Path

    target = Path(__file__).with_name("tables.py")
    if arguments == ["--write"]:
        target.write_text(module_text(), encoding="utf-8")
        return 0
    if arguments == ["--check"]:
        if target.read_text(encoding="utf-8") == module_text():
            return 0
        print("archdsl/lang/tables.py is stale: run `python -m archdsl.lang.grammar --write`", file=sys.stderr)  # noqa: T201
        return 1
    print("usage: python -m archdsl.lang.grammar --write | --check", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
