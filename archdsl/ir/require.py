"""`require`: what must hold between the numbers of a space's points."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from archdsl.ir.evaluate import Context, Env
from archdsl.ir.model import Model
from archdsl.ir.part import Arch, Stage
from archdsl.ir.values import checked_number, is_number
from archdsl.lang import ast
from archdsl.source.suggest import did_you_mean

# `depth` or `dim` of a stage; None where it has no `dim`
StageNumber: TypeAlias = Callable[[str, str], int | None]

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
    stages: dict[str, Stage] = {stage.name: stage for stage in arch.stages}

    def number(stage: str, attribute: str) -> int | None:
        return len(stages[stage].blocks) if attribute == "depth" else stages[stage].dim

    for line in model.requires:
        _check(line, number, env, of_base=of_base)


def comparisons(require: ast.Require) -> Iterator[tuple[ast.Expr, str, ast.Expr]]:
    """The comparisons of a line such as `a <= b < c`: two operands and what stands between them."""
    yield from zip(require.operands, require.operators, require.operands[1:], strict=False)


def holds(comparison: tuple[ast.Expr, str, ast.Expr], number: StageNumber, env: Env) -> bool:
    """Whether one comparison holds at a point. Raises `Reported` as `check_requires` does."""
    left, operator, right = comparison
    return COMPARE[operator](_operand(left, number, env), _operand(right, number, env))


def _check(require: ast.Require, number: StageNumber, env: Env, *, of_base: bool) -> None:
    numbers = [_operand(operand, number, env) for operand in require.operands]
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


def _operand(expr: ast.Expr, number: StageNumber, env: Env) -> Fraction:
    """A number of `require`: `s1.depth`, a let, or arithmetic over them."""
    match expr:
        case ast.Member():
            return _member(expr, number, env)
        case ast.Negate():
            return -_operand(expr.operand, number, env)
        case ast.Sum():
            signs = [1, *(1 if operator == "+" else -1 for operator in expr.operators)]
            terms = [_operand(operand, number, env) for operand in expr.operands]
            total = sum((sign * term for sign, term in zip(signs, terms, strict=True)), Fraction(0))
            return Fraction(checked_number(total, expr.span, env.report))
        case ast.Product():
            result = _operand(expr.operands[0], number, env)
            for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
                factor = _operand(operand, number, env)
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


def _member(expr: ast.Member, number: StageNumber, env: Env) -> Fraction:
    stages, report = env.context.model.stages, env.report
    name = expr.object.id if isinstance(expr.object, ast.Name) else ""
    if name not in stages:
        help = did_you_mean(name, list(stages), "stages are")
        report.fail("unknown-place", f"there is no stage `{expr.object.span.text}`", expr.object.span, "not a stage", help=help)
    attribute = expr.name.id
    found = number(name, attribute) if attribute in ("depth", "dim") else None
    if found is not None:
        return Fraction(found)
    report.fail(
        "unknown-attribute",
        f"`require` reads `depth` and `dim` of a stage, not `{attribute}`",
        expr.name.span,
        "not a number of the stage",
        help=did_you_mean(attribute, ("depth", "dim")) or "give the number a `let`, and compare that",
    )


def _short(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"
