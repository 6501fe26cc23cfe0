"""Why a token cannot stand where it does, and what its author may have meant."""

from __future__ import annotations

from collections.abc import Callable

from archdsl.lang import hints_items as items
from archdsl.lang.stuck import OPERATORS, VALUES, Stuck, expected_words, subject
from archdsl.lang.tokens import END
from archdsl.source.diagnostic import Diagnostic, Fix
from archdsl.source.record import replace

Rule = Callable[[Stuck], Diagnostic | None]


def explain(stuck: Stuck) -> Diagnostic:
    """The one thing to be said about a token that cannot stand where it does."""
    for rule in _RULES:
        if said := rule(stuck):
            return said
    token = stuck.token
    label = expected_words(stuck.expected)
    if token.kind == END or (token.kind == "RBRACE" and token.start == token.end):
        what = "the text ends here" if stuck.start == "start" else "the value ends here"
        return Diagnostic("unexpected-text", f"{what}, but something is missing", stuck.gap, label)
    if token.kind == "RBRACE":
        return Diagnostic("unexpected-text", "the block ends here, but something is missing", stuck.gap, label)
    return Diagnostic("unexpected-text", f"`{stuck.text(token)}` cannot stand here", stuck.span(token), label)


def _dot_number(stuck: Stuck) -> Diagnostic | None:
    token, after = stuck.token, stuck.after
    if token.kind != "DOT" or "NAME" not in stuck.expected or after.kind not in ("INT", "FLOAT") or after.start != token.end:
        return None
    span = stuck.span(token).to(stuck.span(after))
    text = f"0{span.text}"
    fix = Fix(span, text, safe=True) if len(text) < 40 else None
    return Diagnostic(
        "malformed-number", "a number begins with a digit", span, "no digit before the point", (), f"write `{text[:40]}`", fix
    )


def _no_value(stuck: Stuck) -> Diagnostic | None:
    """Nothing where a value is needed."""
    token, before = stuck.token, stuck.before
    if not stuck.expected >= VALUES - {"NAME"} or (before is not None and before.kind == "EQUAL" and token.kind == "EQUAL"):
        return None
    label = "expected a number, a size, or a component"
    if before is None:
        return Diagnostic("missing-value", "a value is missing", stuck.span(token).head(), label)
    sign = stuck.text(before)
    if token.kind in OPERATORS and not stuck.new_line and before.kind not in OPERATORS:
        text = stuck.text(token)
        return Diagnostic("missing-value", f"`{text}` has nothing on its left", stuck.span(token), label)
    if before.kind == "EQUAL":
        message = f"`{subject(stuck)}` has no value" if subject(stuck) else "a value is missing"
    elif before.kind == "LPAR" and token.kind == "RPAR":
        message = "the parentheses are empty"
    elif before.kind in ("LPAR", "LSQB", "COMMA"):
        message = f"`{sign}` is followed by no value"
    else:
        message = f"`{sign}` needs a value on its right"
        label = "expected a part" if before.kind in ("RESIDUAL", "THEN", "SKIP", "ARROW") else label
    return Diagnostic("missing-value", message, stuck.gap, label)


def _equals(stuck: Stuck) -> Diagnostic | None:
    """Something else where `=` stands."""
    token, before = stuck.token, stuck.before
    if token.kind == "COMPARE" and stuck.text(token) == "==" and "EQUAL" in stuck.expected:
        fix = Fix(stuck.span(token), "=", safe=True)
        return Diagnostic("unexpected-text", "one `=` gives a value", stuck.span(token), "a comparison", (), "write `=`", fix)
    if token.kind == "EQUAL" and before is not None and before.kind == "EQUAL":
        fix = Fix(stuck.span(token), "", safe=True)
        return Diagnostic("unexpected-text", "one `=` gives a value", stuck.span(token), "a second one", (), "remove it", fix)
    if "EQUAL" not in stuck.expected or before is None or stuck.new_line:
        return None
    if token.kind == "DOT" and before.kind == "NAME":
        help = f"write `stage {stuck.text(before)} {{ {stuck.text(stuck.after)} = ... }}`"
        return Diagnostic(
            "unexpected-text", "an item gives a value to one name", stuck.span(token), "no name goes on here", (), help
        )
    if token.kind in VALUES - {"LPAR"} and stuck.expected >= {"COMMA", "RPAR"}:
        return _no_comma(stuck)
    if token.kind in VALUES - {"LPAR"} or (token.kind == "LPAR" and "LPAR" not in stuck.expected):
        message = f"`=` is missing between `{stuck.text(before)}` and its value"
        fix = Fix(stuck.gap, " =")
        help = f"write `{stuck.text(before)} = {stuck.text(token)}`"
        return Diagnostic("unexpected-text", message, stuck.gap, "expected `=`", (), help, fix)
    return None


def _between(stuck: Stuck) -> Diagnostic | None:
    """A sign missing between two values, or one that joins nothing here."""
    token, before = stuck.token, stuck.before
    if before is None or not stuck.expected >= OPERATORS:
        return None
    text = stuck.text(token)
    inside = "COMMA" in stuck.expected and stuck.expected & {"RPAR", "RSQB"}
    if token.kind == "COMPARE":
        help = "`require` compares; `=` gives a value" if text == "==" else "write it in `require` or `budget`"
        return Diagnostic(
            "unexpected-text", "values are compared in `require` and `budget` only", stuck.span(token), "", (), help
        )
    if token.kind == "EQUAL":
        older = stuck.tokens[stuck.index - 2] if stuck.index > 1 else before
        if (
            before.kind == "NAME"
            and older.kind in ("EQUAL", *OPERATORS)
            and "\n" in stuck.source.text[older.end : before.start]
        ):
            # the value is missing at the end of the line above
            return _no_value(replace(stuck, index=stuck.index - 1, expected=VALUES))
        message = "`=` gives a value to a name"
        return Diagnostic("unexpected-text", message, stuck.span(token), "no name stands before it")
    if token.kind in VALUES - {"LPAR", "MINUS"}:
        if inside:
            return _no_comma(stuck)
        if not stuck.new_line:
            return items.stray(stuck, token)
    if token.kind == "COMMA" and "RPAR" in stuck.expected:
        help = "a list is written `[a, b]`, a size `7x7`"
        return Diagnostic("unexpected-text", "parentheses hold one value", stuck.span(token), "expected `)`", (), help)
    return None


def _no_comma(stuck: Stuck) -> Diagnostic:
    text = stuck.text(stuck.token)
    message = "`,` is missing between two of a list"
    return Diagnostic("unexpected-text", message, stuck.gap, "expected `,`", (), f"write `, {text}`", Fix(stuck.gap, ","))


def _arrow(stuck: Stuck) -> Diagnostic | None:
    """An arrow written in another way."""
    head, tip = stuck.before, stuck.token
    if tip.kind == "EQUAL":
        # `=>` is met at its `=`, `- >` at its `>`
        head, tip = tip, stuck.after
    if head is None or head.kind not in ("MINUS", "EQUAL") or tip.kind != "COMPARE" or stuck.text(tip) != ">":
        return None
    span = stuck.span(head).to(stuck.span(tip))
    return Diagnostic("unexpected-text", "an arrow is one sign", span, "not an arrow", (), "write `->`", Fix(span, "->"))


_RULES: tuple[Rule, ...] = (
    *(_dot_number, _arrow, items.reserved, _no_value, items.misplaced, items.misspelt, items.bare_name, _equals, items.brace),
    *(items.clause, items.line, _between, items.quoted_name, items.missing_sign, items.top),
)
