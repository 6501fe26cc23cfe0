"""Completion: a value becomes a part, its component with every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archdsl.ir import values
from archdsl.ir.lookup import means_nothing
from archdsl.ir.part import Leaf, Origin, Part
from archdsl.ir.values import Built, Function, Partial, Val, blame, kind_of
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.schema.component import Component
from archdsl.schema.field import MISSING, Field, FromArch, FromField, FromPlace
from archdsl.schema.field import Part as PartDefault
from archdsl.source import limits
from archdsl.source.diagnostic import Note, Reported
from archdsl.source.text import Span

if TYPE_CHECKING:
    from archdsl.ir.evaluate import Env


def to_part(env: Env, val: Val, span: Span) -> Built:
    """A value as a part, its fields complete."""
    if isinstance(val.value, Built):
        return val.value
    if isinstance(val.value, Partial):
        component = finish(env, val.value, span, val.origin)
        arguments = {name: argument.origin for name, argument in val.value.arguments.items()}
        return Built(Leaf(component, span, arguments, val.value.label), 1)
    if isinstance(val.value, Function):
        let = val.value.let
        wanted = ", ".join(f"{param.name.id} = ..." for param in let.params or ())
        env.report.fail(
            "missing-field",
            f"`{let.name.id}` needs its arguments",
            span,
            "not called",
            notes=[Note("defined here", let.name.span)],
            help=f"write `{let.name.id}({wanted})`",
        )
    env.report.fail(
        "wrong-type",
        "a part of the network is wanted here: a component, a chain, or a sum",
        span,
        f"this is {kind_of(val.value)}",
        notes=blame(val.origin, env.report),
        help="`archdsl list components` shows what there is",
    )


def finish(env: Env, partial: Partial, span: Span, origin: Origin) -> Component:
    """A component with every field: those written, then the defaults. `origin` is that of the component."""
    schema = partial.component.schema
    fields: dict[str, Any] = {}
    for entry in schema.fields:
        if entry.name in partial.arguments:
            val = partial.arguments[entry.name]
            value = values.coerce(entry, val, schema.name, env.report)
            fields[entry.name] = finish(env, value, val.span, val.origin) if isinstance(value, Partial) else value
        else:
            fields[entry.name] = _default(env, entry, schema.name, span, origin, fields)
    return partial.component(**fields)


def _default(env: Env, entry: Field, component: str, span: Span, origin: Origin, fields: Mapping[str, Any]) -> Any:
    default = entry.default
    if default is MISSING:
        env.report.fail(
            "missing-field",
            f"`{component}` needs `{entry.name}`",
            span,
            f"no `{entry.name}` given",
            notes=blame(origin, env.report),
            help=f"write `{component}({entry.name} = ...)`: {entry.doc}",
        )
    if isinstance(default, FromField):
        return fields[default.field]
    if isinstance(default, PartDefault):
        kind = registry.lookup(default.component)
        assert isinstance(kind, type)
        return finish(env, Partial(kind), span, origin)
    if isinstance(default, FromArch):
        written = next((p.attributes[default.attribute] for p in env.places if default.attribute in p.attributes), None)
        if written is None:
            return default.otherwise
        value = None if means_nothing(env, written.value) else env.evaluate(written.value).value
        if value not in (entry.choices or ()):
            # told of the arch, once
            raise Reported
        return value
    if isinstance(default, FromPlace):
        found = env.bound(ast.Name(default.attribute, span))
        if found is None:
            env.report.fail(
                "missing-field",
                f"`{component}` needs `{entry.name}`",
                span,
                f"{env.where} has no `{default.attribute}` to take it from",
                notes=[Note(f"{env.where} starts here", env.place_span)],
                help=f"write `{default.attribute} = ...` there, or `{entry.name} = ...` here: {entry.doc}",
            )
        return values.coerce(entry, found, component, env.report)
    return default


def composed(env: Env, part: Part, parts: list[Built], span: Span) -> Val:
    size = sum(built.size for built in parts)
    if size > limits.PARTS:
        env.report.fail(
            "limit-exceeded",
            f"a network may have at most {limits.PARTS:_} components",
            span.head(),
            "more than that here",
            help="a let that holds itself twice doubles at each level",
        )
    return Val(Built(part, size), Origin(span))
