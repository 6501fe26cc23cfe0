"""Numbers, and sums of what parts make of one input."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from archdsl.ir import values
from archdsl.ir.complete import composed
from archdsl.ir.part import Origin, Sum
from archdsl.ir.values import Built, Function, Partial, Val, blame, is_number, kind_of
from archdsl.lang import ast
from archdsl.source.text import Span

if TYPE_CHECKING:
    from archdsl.ir.evaluate import Env


def real(env: Env, expr: ast.Real) -> int | Fraction:
    digits = expr.text.replace("_", "").lower()
    _, _, exponent = digits.partition("e")
    if exponent and abs(int(exponent)) > 30:
        env.report.fail("limit-exceeded", "an exponent may be at most 30", expr.span, "larger than that")
    return values.checked_number(Fraction(digits), expr.span, env.report)


def add(env: Env, expr: ast.Sum) -> Val:
    operands = env.each(env.evaluate, expr.operands)
    signs = [1, *(1 if operator == "+" else -1 for operator in expr.operators)]
    if all(is_number(operand.value) for operand in operands):
        total = sum(sign * operand.value for sign, operand in zip(signs, operands, strict=True))
        return Val(values.checked_number(total, expr.span, env.report), _joined(env, expr.span, operands))
    _all_parts(env, expr, operands, "add")
    parts = [env.to_part(val, operand.span) for val, operand in zip(operands, expr.operands, strict=True)]
    scales, flat = [], []
    for sign, built in zip(signs, parts, strict=True):
        # `0.5 * a` is a sum of one; inside another sum its scale is all that is left of it
        if isinstance(built.part, Sum) and len(built.part.parts) == 1 and built.part.label is None:
            scales.append(sign * built.part.scales[0])
            flat.append(built.part.parts[0])
        else:
            scales.append(float(sign))
            flat.append(built.part)
    return composed(env, Sum(tuple(scales), tuple(flat), expr.span), parts, expr.span)


def multiply(env: Env, expr: ast.Product) -> Val:
    result = env.evaluate(expr.operands[0])
    for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
        factor = env.evaluate(operand)
        span = expr.operands[0].span.to(operand.span)
        result = _multiplied(env, result, operator, factor, span, operand)
    return Val(result.value, Origin(expr.span, result.origin.hops))


def _multiplied(env: Env, left: Val, operator: str, right: Val, span: Span, operand: ast.Expr) -> Val:
    if operator == "/" and is_number(right.value) and right.value == 0:
        env.report.fail(
            "not-whole",
            "a number divided by zero has no value",
            operand.span,
            "this is 0",
            notes=blame(right.origin, env.report),
        )
    if is_number(left.value) and is_number(right.value):
        value = left.value * right.value if operator == "*" else Fraction(left.value) / right.value
        return Val(values.checked_number(value, span, env.report), _joined(env, span, [left, right]))
    if is_number(right.value) and isinstance(left.value, Partial | Built):
        return scaled(env, left, float(right.value) if operator == "*" else float(1 / Fraction(right.value)), span)
    if is_number(left.value) and isinstance(right.value, Partial | Built) and operator == "*":
        return scaled(env, right, float(left.value), span)
    guilty = left if not (is_number(left.value) or isinstance(left.value, Partial | Built)) else right
    env.report.fail(
        "wrong-type",
        f"`{operator}` takes numbers, or a number and a part",
        guilty.span,
        f"this is {kind_of(guilty.value)}",
        notes=blame(guilty.origin, env.report),
        help="a size has two numbers: write the product out, e.g. 14x14",
    )


def _all_parts(env: Env, expr: ast.Sum, operands: list[Val], verb: str) -> None:
    for operand in operands:
        if not isinstance(operand.value, Partial | Built | Function):
            others = "numbers" if all(is_number(o.value) for o in operands if o is not operand) else "parts"
            env.report.fail(
                "wrong-type",
                f"`+` and `-` {verb} numbers with numbers, or the outputs of parts with each other",
                operand.span,
                f"this is {kind_of(operand.value)}, beside {others}",
                notes=blame(operand.origin, env.report),
                help="`+` between parts adds what they make of the same input; `->` sends data on",
            )


def scaled(env: Env, val: Val, scale: float, span: Span) -> Val:
    built = env.to_part(val, val.span)
    part = composed(env, Sum((scale,), (built.part,), span), [built], span)
    return Val(part.value, Origin(span, val.origin.hops))


def _joined(env: Env, span: Span, operands: list[Val]) -> Origin:
    return Origin(span, tuple(hop for operand in operands for hop in operand.origin.hops)[:8])
