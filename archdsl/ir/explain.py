"""Provenance: where the value at a place comes from, hop by hop."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NoReturn

from archdsl.ir.attempt import Attempt
from archdsl.ir.complete import finish
from archdsl.ir.decisions import Decision, decisions_of
from archdsl.ir.evaluate import Context, Env
from archdsl.ir.model import Model, Place
from archdsl.ir.preprocess import Preprocess
from archdsl.ir.stages import StageResolver
from archdsl.ir.values import Partial, Val, kind_of, show_number
from archdsl.lang import ast
from archdsl.schema.component import Component
from archdsl.schema.field import FromPlace
from archdsl.schema.field import Part as PartDefault
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.record import replace
from archdsl.source.suggest import closest
from archdsl.source.text import Span

Step = tuple[str, Span]
# of many drop rates or names so many are told
_SHOWN = 24
# rates of blocks that are told one by one
_RATES = 8


def explain(model: Model, path: str, report: Report) -> list[Step]:
    """The value at a path such as `s3.dim`, `s3.first.token`, `s3.token.topk`, `width` or `stem`, then where it came through.

    The first entry is the value with the text that gives it; the others are the names on the way, nearest first, and the
    decisions it depends on. Raises `Reported` where the path names nothing.
    """
    return _Explainer(model, path, report).steps()


class _Explainer:
    def __init__(self, model: Model, path: str, report: Report) -> None:
        self.model, self.path, self.report = model, path, report
        self.words = [word for word in path.split(".") if word]
        self.decisions = decisions_of(model, Report()) if model.kind == "space" else ()
        point = {decision.key: decision.values[0] for decision in self.decisions}
        self.context = Context(model, Report(), point if model.kind == "space" else None)

    def steps(self) -> list[Step]:
        for decision in self.decisions:
            if decision.path == self.path:
                return [(f"{self.path} is a decision between {decision.listed()}", decision.span)]
        env, rest = self._place()
        if not rest:
            self._unknown(env, "")
        name, *fields = rest
        if name == "drop_path" and not fields and env.block is not None and self.words[0] != "default":
            return self._drop_rates()
        found = self._written(env, name)
        if found is not None:
            return self._field(env, *found, fields) if fields else self._value(env, *found)
        if not fields:
            for place in env.places:
                if name == "layout" and place.layout is not None:
                    return [(f"{self.path} is the layout written in {self._where(place)}", place.layout.span.head())]
            if name == "stride" and env.block is not None:
                return [(f"{self.path} is 1, as nothing else is written", env.place_span)]
        self._unknown(env, name)

    def _place(self) -> tuple[Env, list[str]]:
        model, words = self.model, self.words
        if words and words[0] in model.stages:
            stage = model.stages[words[0]]
            places: list[Place] = [stage, model.default, model.place]
            rest = words[1:]
            if rest and rest[0] in ("first", "last"):
                places = [p.positions[rest[0]] for p in (stage, model.default) if rest[0] in p.positions] + places
                rest = rest[1:]
            return Env(self.context, tuple(places), f"stage `{words[0]}`", stage.span, block=0), rest
        if words and words[0] == "default":
            return Env(self.context, (model.default, model.place), "`default`", model.default.span, block=0), words[1:]
        return Env(self.context, (model.place,), f"`{model.name}`", model.span), words

    def _where(self, place: Place) -> str:
        return place.path or self.model.name

    def _written(self, env: Env, name: str) -> tuple[ast.Expr, str] | None:
        """The expression that a name stands for here, and the place it is written in."""
        for place in env.places:
            written = place.lets.get(name) or place.attributes.get(name)
            if written is not None:
                return written.value, self._where(place)
        if len(env.places) > 1:
            return None
        whole: ast.Head | ast.Node | None = self.model.heads.get("" if name == "head" else name) or self.model.nodes.get(name)
        if whole is not None:
            return whole.value, self.model.name
        let = self.model.file_let(name, self.model.span.source)
        return (let.value, f"`{let.span.source.name}`") if isinstance(let, ast.Let) else None

    def _value(self, env: Env, written: ast.Expr, where: str) -> list[Step]:
        """The value of an expression, of each block where they differ."""
        found = f"`{' '.join(written.span.text.split())}`"
        hops: tuple[Step, ...] = ()
        self.context.drawn.clear()
        values = list(self._over_blocks(env, written))
        # of what is still open only the text can be told
        if values and not self._decisions():
            shown = list(dict.fromkeys(_shown(val) for val in values))
            found = shown[0] if len(shown) == 1 else f"{', then '.join(shown)}, block by block in turn"
            hops = values[0].origin.hops
        text = f"{self.path} is {found}" + (f", written in {where}" if where != self.path else "")
        return [(text, written.span), *((f"through `{hop}`", span) for hop, span in hops), *self._open()]

    def _over_blocks(self, env: Env, written: ast.Expr) -> Iterator[Val]:
        """The value in each block of a period; nothing where it cannot be said here, such as a part that takes a `dim`."""
        blocks = [0]
        for block in blocks:
            here = replace(env, block=env.block if env.block is None else block, memo={}, active=[], cycle=[1])
            try:
                val = here.evaluate(written)
            except Reported:
                return
            if block == 0 and env.block is not None:
                blocks.extend(range(1, here.cycle[0]))
            yield val

    def _field(self, env: Env, written: ast.Expr, where: str, fields: list[str]) -> list[Step]:
        """A field of the component at a place, written or by default; of components that alternate, the first that has it."""
        self.context.drawn.clear()
        kind = ""
        known: dict[str, None] = {}
        for val in self._over_blocks(env, written):
            if not isinstance(val.value, Partial):
                continue
            schema = val.value.component.schema
            kind = kind or schema.name
            known |= dict.fromkeys(entry.name for entry in schema.fields)
            if told := self._told(env, val, val.value, where, fields):
                return [*told, *self._open()]
        if kind:
            self._refuse(fields[-1], sorted(known), f"`{kind}` has")
        self._unknown(env, fields[0])

    def _told(self, env: Env, val: Val, partial: Partial, where: str, fields: list[str]) -> list[Step] | None:
        """What a component says of one of its fields; None where it has no such field."""
        name, *deeper = fields
        schema = partial.component.schema
        entry = schema.field(name)
        inner = partial.arguments.get(name)
        if entry is None or (deeper and inner is None):
            return None
        if inner is not None and deeper:
            return self._told(env, inner, inner.value, where, deeper) if isinstance(inner.value, Partial) else None
        if inner is not None:
            hops = (*inner.origin.hops, *val.origin.hops)
            first = (f"{self.path} is {_shown(inner)}, written in {where}", inner.span)
            return [first, *((f"through `{hop}`", span) for hop, span in hops)]
        if entry.required:
            default = f"not given, and `{schema.name}` needs it"
        else:
            try:
                value = getattr(finish(env, partial, val.span, val.origin), name)
                default = f"{_plain(value)}, the default of `{schema.name}`"
            except Reported:
                place = entry.default.attribute if isinstance(entry.default, FromPlace) else ""
                default = f"the `{place}` of its place, by default" if place else f"{_plain(entry.default)}, by default"
        return [(f"{self.path} is {default}", val.span), *((f"through `{hop}`", span) for hop, span in val.origin.hops)]

    def _drop_rates(self) -> list[Step]:
        """The rate of each block of a stage."""
        report = self.context.report
        resolver = StageResolver(self.context, Attempt(self.model.name, self.model.span, report))
        envs = {name: resolver.env(place) for name, place in self.model.stages.items()}
        name = self.words[0]
        written = next((p.attributes["drop_path"].value for p in envs[name].places if "drop_path" in p.attributes), None)
        if written is None:
            return [(f"{self.path} is 0 in every block, as no `drop_path` is written", envs[name].place_span)]
        text = f"`{' '.join(written.span.text.split())}`"
        try:
            rates = resolver.drop_rates(envs, {stage: resolver.depth(env) for stage, env in envs.items()})[name]
        except Reported:
            return [(f"{self.path} is {text}", written.span)]
        if self._decisions():
            return [(f"{self.path} is {text}", written.span), *self._open()]
        told = [f"{rate:.4g}" for rate in rates]
        # they rise evenly, or are all the same
        shown = ", ".join(told if len(told) <= _RATES else [*told[:2], "...", told[-1]])
        return [(f"{self.path} is {shown}, block by block, by {text}", written.span)]

    def _decisions(self) -> list[Decision]:
        """The decisions that what was evaluated depends on."""
        return [decision for decision in self.decisions if decision.key in self.context.drawn]

    def _open(self) -> list[Step]:
        return [(f"it depends on the decision `{d.path}`: {d.listed()}", d.span) for d in self._decisions()]

    def _unknown(self, env: Env, name: str) -> NoReturn:
        """Refuse the path, and tell what there is at its place."""
        near = env.places if env.block is None else env.places[:-1]
        names = {found for place in near for found in (*place.lets, *place.attributes)}
        if env.block is None:
            names |= {head or "head" for head in self.model.heads} | {*self.model.nodes, *self.model.stages}
            self._refuse(name, sorted(names), f"`{self.model.name}` has")
        if self.words[0] != "default":
            names |= {"stride", "drop_path"}
        if any(place.layout is not None for place in env.places):
            names.add("layout")
        self._refuse(name, sorted(names), f"`{self.words[0]}` has")

    def _refuse(self, name: str, known: list[str], what: str) -> NoReturn:
        shown = "".join(char if char.isprintable() else "?" for char in self.path[:80])
        near = closest(name, known) if name else None
        listed = ", ".join(f"`{each}`" for each in known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
        self.report.fail(
            "unknown-name",
            f"`{self.model.name}` has no value `{shown}`",
            self.model.span,
            "looked for here",
            help=f"did you mean `{near}`? {what} {listed}" if near else f"{what} {listed or 'no fields'}",
        )


def _shown(val: Val) -> str:
    value = val.value
    if isinstance(value, Preprocess):
        return str(value)
    return _plain(value) if value is None or isinstance(value, bool | int | float | Fraction | tuple | str) else kind_of(value)


def _plain(value: object) -> str:
    """A value as a reader writes it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, int | Fraction):
        return show_number(value)
    if isinstance(value, Component):
        return f"the component `{value.schema.name}`"
    if isinstance(value, PartDefault):
        return f"the component `{value.component}`"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]" if any(isinstance(v, float) for v in value) else "x".join(map(str, value))
    return str(value)
