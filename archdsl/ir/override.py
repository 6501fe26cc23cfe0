"""Overrides from outside: `--set s3.depth=9` is an amendment whose text is the command line."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.ir.amend import Refinement, amend
from archdsl.ir.evaluate import Context, Env
from archdsl.ir.model import ARCH_ATTRIBUTES, Model, Place, attributes_of
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.source.cells import safe
from archdsl.source.diagnostic import Report
from archdsl.source.files import source_from_text
from archdsl.source.limits import MAGNITUDE
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Source, Span

# a path that is longer is cut where it names its own text
_SHOWN = 80
# how many stages are named to one who misses another
_LISTED = 8


def override(model: Model, source: Source, report: Report) -> Model:
    """The model with `PATH = VALUE` put in. Raises `Reported` where the path names nothing."""
    from archdsl.lang.parse import parse_override

    path, value = parse_override(source, report)
    home = model.files.get(model.span.source)
    if home is not None:
        # the text of an override reads the names of the file it overrides
        model.files[source] = home
    return _amended(model, _Target(model, path, report).child(value), report)


def resized(model: Model, size: tuple[int, int], report: Report) -> Model:
    """The model with another height and width of its input, for `--at HxW`."""
    text = f"{size[0]}x{size[1]}"
    source = Source(f"--at {text}", text)
    span = Span(source, 0, len(text))
    written = model.place.attributes.get("input")
    image = None
    with Report().guard():
        # what is wrong with it is told when the arch is resolved
        top = Env(Context(model, Report()), (model.place,), "", model.span)
        image = top.evaluate(written.value).value if written else None
    channels = image[0] if isinstance(image, tuple) and image else 3
    child = _empty(model)
    value = ast.Shape((channels, *size), span)
    child.place.attributes["input"] = ast.Attribute(ast.Ident("input", span), value, span)
    return _amended(model, child, report)


def override_source(path: str, value: object, report: Report) -> Source:
    """The text of an override given as a Python value: a number, a truth value, None, numbers of a size, or an expression."""
    name = f"--set {safe(path)}"
    text = _written(value)
    if text is None:
        kind = type(value).__name__
        report.fail("wrong-type", f"`{name}` takes a number, a text, or the numbers of a size, not a {kind}")
    return source_from_text(name if len(name) <= _SHOWN else f"{name[: _SHOWN - 3]}...", f"{path} = {text}", report)


def _written(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, int):
        # more digits than any number may have: they are not made, only refused
        return str(value) if abs(value) <= MAGNITUDE else "9" * 20
    if isinstance(value, float | str):
        return str(value)
    if isinstance(value, tuple | list) and value and all(isinstance(number, int) for number in value):
        return "x".join(str(_written(number)) for number in value)
    return None


def _amended(model: Model, child: Model, report: Report) -> Model:
    amended = amend(model, child, report)
    amended.lineage, amended.own = model.lineage, model.own
    return amended


def _empty(model: Model) -> Model:
    place, default = Place("arch", "", model.span), Place("default", "default", model.default.span)
    return Model(
        model.kind,
        model.name,
        model.span,
        place,
        default,
        {},
        (model.name,),
        expects=model.expects,
        budgets=model.budgets,
        requires=model.requires,
        objectives=model.objectives,
    )


class _Target:
    """The place, name and field that the path of an override means."""

    def __init__(self, model: Model, path: tuple[ast.Ident, ...], report: Report) -> None:
        self.model = model
        self.path = path
        self.report = report

    def child(self, value: ast.Expr) -> Model:
        child = _empty(self.model)
        place, into, rest = self._place(child)
        if not rest:
            last = self.path[-1]
            self.report.fail(
                "unknown-override",
                f"`{'.'.join(part.id for part in self.path)}` is a place, not a value",
                last.span,
                "what in it?",
                help=f"it has {', '.join(f'`{name}`' for name in sorted({*place.lets, *place.attributes})) or 'nothing yet'}",
            )
        name, *fields = rest
        let = place.lets.get(name.id)
        if let is None and name.id not in attributes_of(place):
            self._unknown(name, place)
        if len(fields) > 1:
            self.report.fail(
                "unknown-override",
                "an override reaches a value, or one field of a component",
                fields[1].span,
                f"inside `{fields[0].id}` of `{name.id}`, which is deeper than that",
                help=f"override all of `{name.id}`, or give the inner part a `let` and override its fields",
            )
        if fields:
            value = self._field(place, name, fields[0], value)
        if let is not None:
            into.lets[name.id] = ast.Let(name, None, value, name.span)
        else:
            into.attributes[name.id] = ast.Attribute(name, value, name.span)
        return child

    def _place(self, child: Model) -> tuple[Place, Place, list[ast.Ident]]:
        """The place in the model, its twin in the amendment, and what is left of the path."""
        model = self.model
        place, into = model.place, child.place
        rest = list(self.path)
        if rest[0].id in model.stages and rest[0].id not in model.place.lets:
            place = model.stages[rest[0].id]
            into = child.stages.setdefault(rest[0].id, Place("stage", rest[0].id, rest[0].span))
            rest = rest[1:]
        elif rest[0].id == "default":
            place, into = model.default, child.default
            rest = rest[1:]
        if rest and place.kind in ("stage", "default") and rest[0].id in ("first", "last"):
            which = rest[0].id
            inner = Place("position", place.below(which), rest[0].span)
            into.positions[which] = inner
            place = place.positions.get(which, inner.copy())
            into = inner
            rest = rest[1:]
        return place, into, rest

    def _field(self, place: Place, name: ast.Ident, field: ast.Ident, value: ast.Expr) -> ast.Expr:
        """The component at the place with one more field told."""
        current = self._current(place, name.id)
        refinement = Refinement(self.model)
        component = refinement.component(place, current) if current is not None else None
        if current is None or component is None:
            self.report.fail(
                "unknown-override",
                f"`{name.id}` holds no single component",
                field.span,
                "so it has no fields",
                help="override the whole value, or a `let` that holds a component",
            )
        kind = registry.lookup(component)
        names = [entry.name for entry in kind.schema.fields] if isinstance(kind, type) else []
        if field.id not in names:
            self.report.fail(
                "unknown-field",
                f"`{component}` has no field `{field.id}`",
                field.span,
                f"not a field of `{component}`",
                help=did_you_mean(field.id, names, f"`{component}` has") or f"`archdsl explain {component}` shows its fields",
            )
        head = current.callee if isinstance(current, ast.Call) else current
        told = ast.Call(head, (ast.Argument(field, value, value.span),), value.span)
        return refinement.merge(place, current, told)

    def _current(self, place: Place, name: str) -> ast.Expr | None:
        model = self.model
        near = [place, model.default, model.place]
        if place.kind == "position":
            stage = model.stages.get(place.path.partition(".")[0])
            near = [place, *([stage] if stage else []), model.default, model.place]
        for scope in near:
            if name in scope.lets:
                return scope.lets[name].value
            if name in scope.attributes:
                return scope.attributes[name].value
        return None

    def _unknown(self, name: ast.Ident, place: Place) -> None:
        model = self.model
        near = sorted({*place.lets, *attributes_of(place), *(model.stages if place.kind == "arch" else ())})
        written = ".".join(part.id for part in self.path)
        help = did_you_mean(name.id, near, "there are")
        stages = [stage for stage in model.stages if place.kind == "arch" and name.id not in ARCH_ATTRIBUTES]
        if not help and stages:
            there = f"; there {'are' if len(stages) > 1 else 'is'} {', '.join(f'`{stage}`' for stage in stages[:_LISTED])}"
            more = f" and {len(stages) - _LISTED} more" if len(stages) > _LISTED else ""
            help = f"a stage's value is written `{stages[0]}.depth`, a name of the arch as `width`{there}{more}"
        self.report.fail(
            "unknown-override", f"nothing in `{model.name}` is called `{written}`", name.span, "unknown", help=help
        )


def apply_overrides(model: Model, report: Report, *, set: Mapping[str, object] | None, at: tuple[int, int] | None) -> Model:
    """The model with all overrides put in: sizes first, then each path in order."""
    if at is not None:
        model = resized(model, at, report)
    for path, value in (set or {}).items():
        source = value if isinstance(value, Source) else override_source(path, value, report)
        model = override(model, source, report)
    return model
