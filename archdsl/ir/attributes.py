"""Attributes: the values a place gives to the network by fixed names."""

from __future__ import annotations

from archdsl.ir import values
from archdsl.ir.evaluate import Env
from archdsl.ir.values import Val, blame, is_number, kind_of
from archdsl.lang import ast
from archdsl.source.diagnostic import Report


def attribute(env: Env, name: str) -> Val | None:
    """The value of an attribute seen from a place, nearest first; None where no place gives it."""
    for place in env.places:
        if name in place.attributes:
            return env.evaluate(place.attributes[name].value)
    return None


def count(val: Val, name: str, most: int, report: Report) -> int:
    if not is_number(val.value):
        report.fail(
            "wrong-type",
            f"`{name}` is a whole number",
            val.span,
            f"this is {kind_of(val.value)}",
            notes=blame(val.origin, report),
            help="write the number out, without a unit" if isinstance(val.value, ast.Quantity) else f"write `{name} = 2`",
        )
    count = values.whole(val, f"`{name}`", report)
    if count < 1:
        notes = blame(val.origin, report)
        report.fail("out-of-bounds", f"`{name}` must be at least 1", val.span, f"this is {count}", notes=notes)
    if count > most:
        report.fail(
            "limit-exceeded",
            f"`{name}` may be at most {most:_}",
            val.span,
            "more than that",
            notes=blame(val.origin, report),
        )
    return count
