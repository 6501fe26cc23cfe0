"""`require`: what must hold between the numbers of a space's points."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from archdsl.ir.evaluate import Context, Env
from archdsl.ir.model import Model
from archdsl.ir.part import Arch, Stage
from archdsl.ir.values import checked_number, is_number
from archdsl.lang import ast
from archdsl.source.diagnostic import Report
from archdsl.source.suggest import did_you_mean

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def check_requires(model: Model, arch: Arch, context: Context, *, of_base: bool) -> None:
    """Hold every `require` line of a space against one of its points. Reports what is broken and raises `Reported`."""
    env = Env(context, (model.place,), "`require`", model.span)
    for line in model.requires:
        _check(line, arch, env, of_base=of_base)


def _check(require: ast.Require, arch: Arch, env: Env, *, of_base: bool) -> None:
    numbers = [_operand(operand, arch, env) for operand in require.operands]
    for operator, (left, right) in zip(require.operators, itertools.pairwise(range(len(numbers))), strict=True):
        if not COMPARE[operator](numbers[left], numbers[right]):
            told = f"{_short(numbers[left])} {operator} {_short(numbers[right])} does not hold"
            who = "the base breaks this rule of the space" if of_base else "this point breaks a rule of the space"
            env.report.fail(
                "outside-require",
                who,
                require.operands[left].span.to(require.operands[right].span),
                told,
                help="the base is trial 0: change the rule, or the base" if of_base else "draw another point",
            )


def _operand(expr: ast.Expr, arch: Arch, env: Env) -> Fraction:
    """A number of `require`: `s1.depth`, a let, or arithmetic over them."""
    match expr:
        case ast.Member():
            return _member(expr, arch, env.report)
        case ast.Negate():
            return -_operand(expr.operand, arch, env)
        case ast.Sum():
            signs = [1, *(1 if operator == "+" else -1 for operator in expr.operators)]
            terms = [_operand(operand, arch, env) for operand in expr.operands]
            total = sum((sign * term for sign, term in zip(signs, terms, strict=True)), Fraction(0))
            return Fraction(checked_number(total, expr.span, env.report))
        case ast.Product():
            result = _operand(expr.operands[0], arch, env)
            for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
                factor = _operand(operand, arch, env)
                if operator == "/" and factor == 0:
                    env.report.fail("not-whole", "a number divided by zero has no value", operand.span, "this is 0")
                result = result * factor if operator == "*" else result / factor
                checked_number(result, expr.span, env.report)
            return result
    val = env.evaluate(expr)
    if not is_number(val.value):
        env.report.fail(
            "wrong-type",
            "`require` compares numbers",
            expr.span,
            "not a number",
            help="such as `s1.depth`, `s2.dim`, a `let`, or arithmetic over them",
        )
    return Fraction(val.value)


def _member(expr: ast.Member, arch: Arch, report: Report) -> Fraction:
    stages: dict[str, Stage] = {stage.name: stage for stage in arch.stages}
    name = expr.object.id if isinstance(expr.object, ast.Name) else ""
    if name not in stages:
        help = did_you_mean(name, list(stages), "stages are")
        report.fail("unknown-place", f"there is no stage `{expr.object.span.text}`", expr.object.span, "not a stage", help=help)
    stage = stages[name]
    attribute = expr.name.id
    if attribute == "depth":
        return Fraction(len(stage.blocks))
    if attribute == "dim" and stage.dim is not None:
        return Fraction(stage.dim)
    report.fail(
        "unknown-attribute",
        f"`require` reads `depth` and `dim` of a stage, not `{attribute}`",
        expr.name.span,
        "not a number of the stage",
        help=did_you_mean(attribute, ("depth", "dim")) or "give the number a `let`, and compare that",
    )


def _short(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"
