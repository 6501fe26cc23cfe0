"""Calls: components refined, lets with parameters applied, and the words that build structure."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import TYPE_CHECKING, Any, NoReturn

from archdsl.ir import values
from archdsl.ir.complete import composed
from archdsl.ir.habits import habit_field
from archdsl.ir.lookup import STRUCTURE, entered, read_name
from archdsl.ir.part import Concat, Fit, Origin, Read, Resize, Split, first_reads
from archdsl.ir.preprocess import FIELDS, Preprocess
from archdsl.ir.values import Built, Function, Partial, Ramp, Val, blame, is_number, kind_of, origin_notes, relabelled
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.source.diagnostic import Note
from archdsl.source.record import replace
from archdsl.source.suggest import closest, did_you_mean
from archdsl.source.text import Span

if TYPE_CHECKING:
    from archdsl.ir.evaluate import Env

# of the stages and nodes that there are, so many are told
_SHOWN = 6


def call(env: Env, expr: ast.Call) -> Val:
    if isinstance(expr.callee, ast.Name) and expr.callee.id in STRUCTURE and env.bound(expr.callee) is None:
        return _structure(env, expr.callee.id, expr)
    callee = env.evaluate(expr.callee)
    if isinstance(callee.value, Function):
        return _applied(env, callee.value.let, expr)
    if isinstance(callee.value, Partial):
        return _refined(env, callee.value, expr, callee.origin)
    what = "a chain or a sum" if isinstance(callee.value, Built) else kind_of(callee.value)
    name = expr.callee.id if isinstance(expr.callee, ast.Name) else "this"
    env.report.fail(
        "refine-chain",
        "only a component, or a let that holds a single one, can be refined",
        expr.callee.span,
        f"`{name}` is {what}",
        notes=origin_notes(callee.origin),
        help=f"give it parameters: `let {name}(...) = ...`" if isinstance(callee.value, Built) else "leave out the parentheses",
    )


def _applied(env: Env, let: ast.Let, call: ast.Call) -> Val:
    given = bind(env, let.params or (), call.arguments, let.name.id, let.name.span, call.span)
    with entered(env, (let.name.id, id(let)), call.span, let.name.span):
        inner = env.with_params(given).evaluate(let.value)
    return relabelled(inner, let.name.id).through(let.name.id, call.span, let.value.span)


def bind(
    env: Env, params: tuple[ast.Param, ...], arguments: tuple[ast.Argument, ...], name: str, defined: Span, call: Span
) -> dict[str, Val]:
    """The arguments of a call by the names of the parameters, evaluated here."""
    names = [param.name.id for param in params]
    given: dict[str, Val] = {}
    for index, argument in enumerate(arguments):
        if argument.name is None and index >= len(params):
            too_many(env, name, len(params), argument, defined)
        word = argument.name.id if argument.name else names[index]
        place = argument.name.span if argument.name else argument.span
        if word not in names:
            no_field(env, name, word, place, names, defined)
        if word in given:
            duplicate(env, word, place, given[word].span)
        given[word] = env.evaluate(argument.value)
    for param in params:
        if param.name.id not in given:
            if param.default is None:
                env.report.fail(
                    "missing-field",
                    f"`{name}` needs `{param.name.id}`",
                    call,
                    "not given",
                    notes=[Note(f"`{name}` is defined here", defined)],
                    help=f"write `{name}({param.name.id} = ...)`",
                )
            given[param.name.id] = env.closed().evaluate(param.default)
    return given


def _refined(env: Env, partial: Partial, call: ast.Call, origin: Origin) -> Val:
    schema = partial.component.schema
    names = [entry.name for entry in schema.fields]
    own: dict[str, Val] = {}
    for index, argument in enumerate(call.arguments):
        if argument.name is None:
            if index > 0 or not names:
                too_many(env, schema.name, min(1, len(names)), argument, None)
            name, place = names[0], argument.span
        else:
            name, place = argument.name.id, argument.name.span
        if name not in names:
            written = origin.hops[0] if origin.hops else None
            no_field(env, schema.name, name, place, names, written[1] if written else None)
        if name in own:
            duplicate(env, name, place, own[name].span)
        val = env.evaluate(argument.value)
        # a wrong value is reported here, where it is written, and only once
        entry = schema.field(name)
        assert entry is not None
        if not isinstance(val.value, Partial):
            values.coerce(entry, val, schema.name, env.report)
        own[name] = val
    return Val(replace(partial, arguments={**partial.arguments, **own}), Origin(call.span, origin.hops))


def too_many(env: Env, name: str, allowed: int, argument: ast.Argument, defined: Span | None) -> NoReturn:
    takes = {0: "takes no value by place", 1: "takes one value by place"}.get(allowed, f"takes {allowed} values by place")
    env.report.fail(
        "positional-argument",
        f"`{name}` {takes}",
        argument.span,
        "which field is this?",
        notes=[Note(f"`{name}` is defined here", defined)] if defined else [],
        help="name the field: `field = value`",
    )


def no_field(env: Env, owner: str, name: str, span: Span, names: list[str], defined: Span | None) -> NoReturn:
    env.report.fail(
        "unknown-field",
        f"`{owner}` has no field `{name}`",
        span,
        f"not a field of `{owner}`",
        notes=[Note(f"`{owner}` comes from here", defined)] if defined else [],
        help=_meant(owner, habit_field(name, names))
        or did_you_mean(name, names, f"`{owner}` has")
        or f"`archdsl explain {owner}` shows its fields",
    )


def _meant(owner: str, field: str) -> str:
    """The help that names a field, with what it is."""
    component = registry.lookup(owner)
    entry = component.schema.field(field) if isinstance(component, type) else None
    return f"write `{field} = ...`: {entry.doc}" if entry else f"write `{field} = ...`" if field else ""


def duplicate(env: Env, name: str, span: Span, first: Span) -> NoReturn:
    env.report.fail(
        "duplicate-name",
        f"`{name}` is given twice",
        span,
        "second time",
        notes=[Note("first given here", first)],
        help="keep one of them",
    )


def _structure(env: Env, word: str, call: ast.Call) -> Val:
    origin = Origin(call.span)
    if word == "ramp":
        return Val(_ramp(env, call), origin)
    if word == "normalize":
        return Val(_preprocess(env, call), origin)
    if word in ("identity", "add"):
        if call.arguments:
            too_many(env, word, 0, call.arguments[0], None)
        assert isinstance(call.callee, ast.Name)
        return read_name(env, call.callee)
    for argument in call.arguments:
        if argument.name is not None:
            no_field(env, word, argument.name.id, argument.name.span, [], None)
    arguments = [argument.value for argument in call.arguments]
    if word == "fit":
        if len(arguments) != 1:
            env.report.fail("missing-field", "`fit` takes one part", call.span, help="write `fit(conv(1x1) -> batchnorm)`")
        built = env.part(arguments[0])
        return composed(env, Fit(built.part, call.span), [built], call.span)
    if word == "resize":
        return _resize(env, call, arguments)
    if word == "cycle":
        return _cycle(env, call, arguments)
    sizes = None
    if word == "split" and arguments:
        first = arguments[0]
        if isinstance(first, ast.List):
            sizes = tuple(values.whole(number(env, env.evaluate(item)), "a group", env.report) for item in first.items)
            arguments = arguments[1:]
    if len(arguments) < 2:
        env.report.fail("missing-field", f"`{word}` takes at least two parts", call.span, help=f"write `{word}(a, b)`")
    parts = [env.part(argument) for argument in arguments]
    inner = tuple(b.part for b in parts)
    if word == "split":
        for each in inner:
            if first_reads(each):
                env.report.fail(
                    "wrong-type",
                    "each part of `split` works on its own group of channels",
                    each.span,
                    "this reads a value instead",
                    help="`concat` joins values: `concat(a, b)`",
                )
    if word == "concat":
        return composed(env, Concat(inner, call.span), parts, call.span)
    if sizes is not None and len(sizes) != len(inner):
        env.report.fail(
            "split-mismatch",
            f"`split` has {len(sizes)} sizes for {len(inner)} parts",
            call.span,
            help="give one size for each part",
        )
    return composed(env, Split(sizes, inner, call.span), parts, call.span)


def _resize(env: Env, call: ast.Call, arguments: list[ast.Expr]) -> Val:
    values = [*env.context.model.stages, *env.context.model.nodes]
    there = "there are " + ", ".join(f"`{name}`" for name in values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
    if len(arguments) != 1:
        message = "`resize` takes the value whose size the map gets"
        env.report.fail("missing-field", message, call.span, help=f"write `resize(s3)`, with a stage or a node: {there}")
    written = arguments[0]
    loaded = env.context.model.files.get(written.span.source)
    if isinstance(written, ast.Name) and env.bound(written) is None and not (loaded and written.id in loaded.failed):
        known = registry.lookup(written.id) is not None or written.id in STRUCTURE
        env.report.fail(
            "wrong-type" if known else "unknown-name",
            "`resize` takes a stage or a node",
            written.span,
            "this is a component" if known else f"there is no `{written.id}`",
            help=(f"did you mean `{near}`?" if (near := closest(written.id, values)) else there),
        )
    val = env.evaluate(written)
    read = val.value.part if isinstance(val.value, Built) else None
    if not isinstance(read, Read):
        label = f"this is {kind_of(val.value)}"
        env.report.fail("wrong-type", "`resize` takes a stage or a node", written.span, label, help=there)
    return Val(Built(Resize(read.value, call.span), 1), Origin(call.span))


def _cycle(env: Env, call: ast.Call, arguments: list[ast.Expr]) -> Val:
    if not arguments:
        env.report.fail("missing-field", "`cycle` takes at least one part", call.span, help="write `cycle(a, b)`")
    if env.block is None:
        env.report.fail(
            "cycle-outside-block",
            "`cycle` alternates over the blocks of a stage",
            call.span,
            f"{env.where} has no blocks here",
            help="use it in `token`, `channel` or a layout",
        )
    env.cycle[0] = lcm(env.cycle[0], len(arguments))
    return env.evaluate(arguments[env.block % len(arguments)])


def _ramp(env: Env, call: ast.Call) -> Ramp:
    given: dict[str, Val] = {}
    for index, argument in enumerate(call.arguments):
        if argument.name is None and index:
            too_many(env, "ramp", 1, argument, None)
        name = argument.name.id if argument.name else "rate"
        place = argument.name.span if argument.name else argument.span
        if name not in ("rate", "endpoint"):
            no_field(env, "ramp", name, place, ["rate", "endpoint"], None)
        if name in given:
            duplicate(env, name, place, given[name].span)
        given[name] = env.evaluate(argument.value)
    if "rate" not in given:
        env.report.fail("missing-field", "`ramp` needs its `rate`", call.span, help="write `ramp(0.1)`")
    rate = drop_probability(env, given["rate"])
    endpoint = given.get("endpoint")
    if endpoint is not None and not isinstance(endpoint.value, bool):
        env.report.fail(
            "wrong-type", "`endpoint` of `ramp` is `true` or `false`", endpoint.span, f"this is {kind_of(endpoint.value)}"
        )
    return Ramp(rate, endpoint.value if endpoint else True)


def _preprocess(env: Env, call: ast.Call) -> Preprocess:
    fields = {entry.name: entry for entry in FIELDS}
    given: dict[str, Val] = {}
    for argument in call.arguments:
        if argument.name is None:
            too_many(env, "normalize", 0, argument, None)
        name = argument.name.id
        if name not in fields:
            no_field(env, "normalize", name, argument.name.span, list(fields), None)
        if name in given:
            duplicate(env, name, argument.name.span, given[name].span)
        given[name] = env.evaluate(argument.value)
    found = {name: values.coerce(fields[name], val, "normalize", env.report) for name, val in given.items()}
    if any(number <= 0 for number in found.get("std", ())):
        env.report.fail("out-of-bounds", "a deviation is more than 0", given["std"].span, help="give one for each channel")
    _warn_of_bytes(env, given, found)
    if found.get("fit") == "stretch" and found.setdefault("crop_ratio", 1.0) != 1:
        env.report.fail(
            "out-of-bounds",
            "`crop_ratio` is 1 where images are stretched",
            given["crop_ratio"].span,
            "nothing is cropped",
            notes=[Note("stretched here", given["fit"].span)],
            help='leave it out, or write `fit = "crop"`',
        )
    return Preprocess(**{name: found.get(name, entry.default) for name, entry in fields.items()})


def _warn_of_bytes(env: Env, given: Mapping[str, Val], found: Mapping[str, Any]) -> None:
    """Say so where `mean` and `std` are those of values from 0 to 255."""
    for name in ("mean", "std"):
        numbers = found.get(name, ())
        if any(not 0 <= number <= 1 for number in numbers):
            label, help = "no value of an image is below 0", "the mean is subtracted, so it is positive"
            if max(numbers) > 1:
                divided = ", ".join(f"{number / 255:.3g}" for number in numbers)
                label, help = "images are not of 0 to 255 here", f"over 255 it is `{name} = [{divided}]`"
            message = f"`{name}` is for values from 0 to 1"
            env.report.warn("preprocess-range", message, given[name].span, label, help=help)


def drop_probability(env: Env, val: Val) -> float:
    """A drop-path rate: a number from 0 up to, not including, 1."""
    if not is_number(val.value):
        env.report.fail(
            "wrong-type",
            "a drop-path rate is a number, `ramp(rate)`, or `none`",
            val.span,
            f"this is {kind_of(val.value)}",
            notes=blame(val.origin, env.report),
            help="write `drop_path = ramp(0.1)`",
        )
    if not 0 <= val.value < 1:
        env.report.fail(
            "out-of-bounds",
            "a drop-path rate lies between 0 and 1",
            val.span,
            f"this is {values.show_number(val.value)}",
            notes=blame(val.origin, env.report),
            help="1 would drop every branch",
        )
    return float(val.value)


def number(env: Env, val: Val) -> Val:
    if not is_number(val.value):
        env.report.fail("wrong-type", "this must be a number", val.span, f"this is {kind_of(val.value)}")
    return val
