"""Syntax errors: found one after the other in one run, each explained at its place."""

from __future__ import annotations

from archdsl.lang.brackets import STARTERS, balance, begins_item, matches
from archdsl.lang.grammar import Tables, tables
from archdsl.lang.hints import explain
from archdsl.lang.repair import repair
from archdsl.lang.stuck import Stuck
from archdsl.lang.tokens import END, Token
from archdsl.source.diagnostic import Diagnostic, Note, Report
from archdsl.source.limits import SYNTAX_ERRORS
from archdsl.source.record import replace
from archdsl.source.text import Source, Span


def diagnose(start: str, source: Source, tokens: list[Token], report: Report) -> None:
    """Report what is wrong with tokens that do not parse: at least one error, at most `SYNTAX_ERRORS`."""
    clean, found = repair(source, tokens)
    clean, unpaired = balance(source, clean)
    # a text that swallowed the rest of its line has swallowed brackets too
    broken = {source.line_column(d.span.start)[0] for d in found if d.span and d.slug == "unclosed-string"}
    found += [d for d in unpaired if d.span and source.line_column(d.span.start)[0] not in broken]
    found += _walk(start, source, clean, [d.span for d in (*found, *unpaired) if d.span])
    found.sort(key=lambda diagnostic: diagnostic.span.start if diagnostic.span else 0)
    if not found:
        place = Span(source, tokens[0].start, tokens[-1].end)
        found = [Diagnostic("unexpected-text", "this text does not follow the grammar", place.head(), "begins here")]
    more = len(found) - SYNTAX_ERRORS
    if more > 0:
        last = found[SYNTAX_ERRORS - 1]
        said = "1 more syntax error was" if more == 1 else f"{more:_} more syntax errors were"
        found[SYNTAX_ERRORS - 1 :] = [replace(last, notes=(*last.notes, Note(f"{said} found")))]
    for diagnostic in found:
        report.add(diagnostic)


def _walk(start: str, source: Source, tokens: list[Token], spoiled: list[Span]) -> list[Diagnostic]:
    """Run the automaton without making syntax; after an error go on at the next item of the same block."""
    table = tables()
    partner = matches(tokens) or {}
    enclosing = _enclosing(tokens)
    states = [table.starts[start]]
    # the open braces that the automaton has passed, with the height of its stack behind each
    braces: list[tuple[int, int]] = []
    found: list[Diagnostic] = []
    item = previous = 0
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if begins_item(source, tokens, index):
            item, previous = index, item
        else:
            previous = item
        after = step(table, states, token.kind, table.ends[start])
        if after is not None:
            states = after
            if token.kind == "LBRACE":
                braces.append((index, len(states)))
            elif token.kind == "RBRACE" and braces:
                braces.pop()
            index += 1
            continue
        # what follows from an error that was reported already is left out
        expected = acceptable(table, states, table.ends[start])
        begin = token.start if item == index and expected & STARTERS else tokens[previous].start
        if not any(begin <= span.start <= token.end for span in spoiled):
            stuck = Stuck(source, tokens, index, expected, enclosing, start)
            found.append(explain(stuck))
        if start != "start":
            break
        block = enclosing[index]
        while braces and braces[-1][0] != block:
            braces.pop()
        if block is not None and not braces:
            break
        states = states[: braces[-1][1]] if braces else states[:1]
        index = _resume(source, tokens, index, table, states, partner, block)
    return found


def _resume(
    source: Source,
    tokens: list[Token],
    index: int,
    table: Tables,
    states: list[int],
    partner: dict[int, int],
    block: int | None,
) -> int:
    """Where to go on after an error at `index`: an item that may begin in this block, its end, or the end of the text."""
    end = partner.get(block, len(tokens) - 1) if block is not None else len(tokens) - 1
    while index < end:
        if begins_item(source, tokens, index) and step(table, states, tokens[index].kind, -1) is not None:
            return index
        inner = partner.get(index, -1)
        index = inner + 1 if inner > index else index + 1
    return end


def _enclosing(tokens: list[Token]) -> list[int | None]:
    """For each token the index of the innermost open brace around it."""
    opened: list[int] = []
    around: list[int | None] = []
    for index, token in enumerate(tokens):
        if token.kind == "RBRACE" and opened:
            around.append(opened.pop())
            continue
        around.append(opened[-1] if opened else None)
        if token.kind == "LBRACE":
            opened.append(index)
    return around


def step(table: Tables, states: list[int], kind: str, accepting: int) -> list[int] | None:
    """The stack after a terminal, or None where it cannot stand there. Leaves `states` as they are."""
    action = table.rows[states[-1]].get(kind)
    if action is not None and action >= 0:
        return [*states, action]
    stack = list(states)
    while action is not None and action < 0:
        origin, size, _ = table.rules[~action]
        del stack[len(stack) - size :]
        stack.append(table.rows[stack[-1]][origin])
        if kind == END and stack[-1] == accepting:
            return stack
        action = table.rows[stack[-1]].get(kind)
    return None if action is None else [*stack, action]


def acceptable(table: Tables, states: list[int], accepting: int) -> frozenset[str]:
    """The terminals that can stand next."""
    candidates = (kind for kind in table.rows[states[-1]] if kind.isupper())
    return frozenset(kind for kind in candidates if step(table, states, kind, accepting) is not None)
