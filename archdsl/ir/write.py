"""Writing out: a model as one self-contained file, its bases and helpers included."""

from __future__ import annotations

from archdsl.ir.model import Model, Place
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Report
from archdsl.source.record import replace
from archdsl.source.text import Source, Span


def canonical(model: Model, report: Report) -> ast.File:
    """One file with the model alone: no imports, no `extends`, every amendment merged in, no expectations.

    Lets of files stand at the level of the file. Two different ones of the same name cannot: that is an error.
    """
    source = Source(model.name, "")
    span = Span(source, 0, 0)
    name = ast.Ident(model.name, model.span)
    items: list[ast.ModelItem] = [*_place(model.place), *model.layouts.values()]
    default = _items(model.default)
    if default:
        items.append(ast.Default(default, span))
    items += [ast.Stage(ast.Ident(stage, place.span), _items(place), span) for stage, place in model.stages.items()]
    items += [*model.nodes.values(), *model.heads.values()]
    # the stem reads well before the stages, what comes of the heads after them
    items.sort(key=_order)
    arch = ast.Arch(name, None, tuple(items), span)
    helpers = _helpers(model, report)
    return ast.File((*helpers, arch), source)


_FIRST = ("input", "classes", "drop_path", "join")


def _order(item: ast.Syntax) -> int:
    if isinstance(item, ast.Attribute):
        if item.name.id in _FIRST:
            return _FIRST.index(item.name.id)
        return {"layout": 12, "stem": 14, "logits": 18}[item.name.id]
    return {ast.Let: 10, ast.Layout: 12, ast.Default: 13, ast.Stage: 15, ast.Node: 16, ast.Head: 17}[type(item)]


def _place(place: Place) -> list[ast.Let | ast.Layout | ast.Attribute]:
    items: list[ast.Let | ast.Layout | ast.Attribute] = [*place.attributes.values(), *place.lets.values()]
    if place.layout is not None:
        items.append(place.layout)
    return items


def _items(place: Place) -> tuple[ast.StageItem, ...]:
    items: list[ast.StageItem] = [*_place(place)]
    for which, position in place.positions.items():
        assert which in ("first", "last")
        items.append(ast.Position(which, tuple(_place(position)), position.span))  # type: ignore[arg-type]
    return tuple(items)


def _helpers(model: Model, report: Report) -> list[ast.Let | ast.Layout]:
    """The lets and layouts of files that the model's expressions reach, in the order met."""
    found: dict[str, ast.Let | ast.Layout] = {}
    waiting: list[ast.Syntax] = []
    for place in model.places():
        waiting += _place(place)
    waiting += [*model.layouts.values(), *model.nodes.values(), *model.heads.values()]
    while waiting:
        for node in ast.walk(waiting.pop(0)):
            if not isinstance(node, ast.Name):
                continue
            helper = model.file_let(node.id, node.span.source)
            if helper is None or helper.name is None or _bound_everywhere(model, node.id):
                continue
            known = found.get(node.id)
            if known is None:
                found[node.id] = helper
                waiting.append(helper)
            elif known is not helper and known.name is not None:
                report.fail(
                    "duplicate-name",
                    f"`{node.id}` means two things in `{model.name}`",
                    helper.name.span,
                    "defined here, in one file",
                    notes=[Note("and here, in another", known.name.span)],
                    help="rename one of them, so that the arch can be written out as one file",
                )
    return list(found.values())


def _bound_everywhere(model: Model, name: str) -> bool:
    """Whether the arch itself binds a name, so that no file's let is seen behind it."""
    return name in model.place.lets


def canonical_text(model: Model, report: Report) -> str:
    """`canonical` as formatted text."""
    from archdsl.lang.fmt import format_file

    return format_file(replace(canonical(model, report), comments=()))
