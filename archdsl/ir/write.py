"""Writing out: a model as one self-contained file, its bases and helpers included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NoReturn

from archdsl.ir.model import Model, Place
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Report
from archdsl.source.record import replace
from archdsl.source.text import Source, Span


def canonical(model: Model, report: Report) -> ast.File:
    """One file with the model alone: no imports, no `extends`, every amendment merged in, no expectations.

    Lets of the arch whose names stand nowhere are left out: amendments have replaced what read them. Lets of files stand at
    the level of the file. Two different ones of the same name cannot: that is an error.
    """
    model = _without_unread(model, report)
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


def _without_unread(model: Model, report: Report) -> Model:
    """The model without lets of the arch that no expression names, nor one that only such lets name."""
    model = model.copy()
    while True:
        written: list[ast.Syntax] = [*model.layouts.values(), *model.nodes.values(), *model.heads.values()]
        for place in model.places():
            written += _place(place)
        named = {name.id for item in written for name in _free_names(item, frozenset())}
        # what a helper of a file names is looked up where the helper is used
        named |= {name.id for helper in _helpers(model, report) for name in _free_names(helper, frozenset())}
        unread = [name for name in model.place.lets if name not in named]
        if not unread:
            return model
        for name in unread:
            del model.place.lets[name]


_POSITIONS: Final[tuple[Literal["first", "last"], ...]] = ("first", "last")
_FIRST = ("input", "classes", "preprocess", "init", "drop_path", "join")


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
    for which in _POSITIONS:
        if which in place.positions:
            position = place.positions[which]
            items.append(ast.Position(which, tuple(_place(position)), position.span))
    return tuple(items)


def _helpers(model: Model, report: Report) -> list[ast.Let | ast.Layout]:
    """The lets and layouts of files that the model's expressions reach, in the order met.

    In one file each of them is in sight of every expression. Where a word of another file means something else, that is
    an error: the text would say another network.
    """
    found: dict[str, ast.Let | ast.Layout] = {}
    waiting: list[ast.Syntax] = []
    for place in model.places():
        waiting += _place(place)
    waiting += [*model.layouts.values(), *model.nodes.values(), *model.heads.values()]
    names: list[ast.Name] = []
    while waiting:
        for name in _free_names(waiting.pop(0), frozenset()):
            # what the arch itself binds hides every file's let
            if name.id in model.place.lets:
                continue
            names.append(name)
            helper = model.file_let(name.id, name.span.source)
            if helper is not None and name.id not in found:
                found[name.id] = helper
                waiting.append(helper)
    for name in names:
        helper = found.get(name.id)
        if helper is not None and helper is not model.file_let(name.id, name.span.source):
            _two_things(model, name, helper, report)
    if model.name in found:
        _two_things(model, ast.Name(model.name, model.span), found[model.name], report)
    return list(found.values())


def _two_things(model: Model, name: ast.Name, helper: ast.Let | ast.Layout, report: Report) -> NoReturn:
    assert helper.name is not None
    report.fail(
        "duplicate-name",
        f"`{name.id}` means two things in `{model.name}`",
        helper.name.span,
        "defined here, for the expressions of this file",
        notes=[Note("and something else here", name.span)],
        help="rename it, so that the arch can be written out as one file",
    )


def _free_names(node: ast.Syntax, bound: frozenset[str]) -> Iterator[ast.Name]:
    """The names in a piece of syntax that are not the parameters of a let or layout around them."""
    if isinstance(node, ast.Name):
        if node.id not in bound:
            yield node
        return
    if isinstance(node, ast.Let | ast.Layout) and node.params:
        bound = bound | {param.name.id for param in node.params}
    for child in ast.children(node):
        yield from _free_names(child, bound)


def canonical_text(model: Model, report: Report) -> str:
    """`canonical` as formatted text."""
    from archdsl.lang.fmt import format_file

    return format_file(replace(canonical(model, report), comments=()))
