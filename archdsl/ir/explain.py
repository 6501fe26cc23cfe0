"""Provenance: where the value at a place comes from, hop by hop."""

from __future__ import annotations

from archdsl.ir.evaluate import Context, Env
from archdsl.ir.model import STAGE_ATTRIBUTES, Model, Place
from archdsl.ir.values import Val, kind_of
from archdsl.source.diagnostic import Report
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span


def explain(model: Model, path: str, report: Report) -> list[tuple[str, Span]]:
    """The value at a path such as `s3.dim`, `s3.first.token`, `width` or `stem`, then each place it came through.

    The first entry is the value with the text that gives it; the others are the names on the way, nearest first.
    Raises `Reported` where the path names nothing.
    """
    words = [word for word in path.split(".") if word]
    env, rest = _place(model, words)
    if len(rest) != 1:
        _unknown(model, path, report)
    name = rest[0]
    for place in env.places:
        written = place.lets.get(name) or place.attributes.get(name)
        if written is None:
            continue
        where = place.path or model.name
        found = f"`{' '.join(written.value.span.text.split())}`"
        hops: tuple[tuple[str, Span], ...] = ()
        # what cannot be said here, such as a part that takes its stage's `dim`, stands as it is written
        with env.report.guard():
            val = env.evaluate(written.value)
            found, hops = _shown(val), val.origin.hops
        text = f"{path} is {found}, written in {where}" if where != path else f"{path} is {found}"
        return [(text, written.value.span), *((f"through `{hop}`", span) for hop, span in hops)]
    _unknown(model, path, report)
    raise AssertionError


def _place(model: Model, words: list[str]) -> tuple[Env, list[str]]:
    context = Context(model, Report(), {} if model.kind == "space" else None)
    if words and words[0] in model.stages:
        stage = model.stages[words[0]]
        places: list[Place] = [stage, model.default, model.place]
        rest = words[1:]
        if rest and rest[0] in ("first", "last"):
            places = [p.positions[rest[0]] for p in (stage, model.default) if rest[0] in p.positions] + places
            rest = rest[1:]
        return Env(context, tuple(places), f"stage `{words[0]}`", stage.span, block=0), rest
    if words and words[0] == "default":
        return Env(context, (model.default, model.place), "`default`", model.default.span, block=0), words[1:]
    return Env(context, (model.place,), f"`{model.name}`", model.span), words


def _shown(val: Val) -> str:
    value = val.value
    if isinstance(value, int | float) or value is None or isinstance(value, tuple | str):
        return "x".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)
    return kind_of(value)


def _unknown(model: Model, path: str, report: Report) -> None:
    known = sorted({*model.place.lets, *model.place.attributes})
    for stage, place in model.stages.items():
        names = {*place.lets, *place.attributes, *(a for a in STAGE_ATTRIBUTES if a in model.default.attributes)}
        known += [f"{stage}.{name}" for name in sorted(names)]
    shown = "".join(char if char.isprintable() else "?" for char in path[:80])
    report.fail(
        "unknown-name",
        f"`{model.name}` has no value `{shown}`",
        model.span,
        "looked for here",
        help=did_you_mean(path, known) or "such as " + ", ".join(f"`{name}`" for name in known[:6]),
    )
