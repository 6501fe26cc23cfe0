"""The YAML twin of a spec, written."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from archdsl.lang import ast
from archdsl.lang.comments import Comments, Item, Remarks
from archdsl.lang.fmt import format_expression
from archdsl.lang.yaml_lines import Entry, Lines, List, Map, Value

_PLURAL = {ast.Layout: "layouts", ast.Stage: "stages", ast.Node: "nodes", ast.Head: "heads"}
_VERB = {ast.Let: "let", ast.Import: "import", ast.Expect: "expect", ast.Budget: "budget", ast.Require: "require"}


def write_yaml(file: ast.File) -> str:
    """The YAML form of a file: reading it gives the same syntax.

    A comment is kept where it belongs to an item; one inside a value is left out.
    """
    writer = _Writer(Comments(file))
    models = sum(isinstance(item, ast.Arch | ast.Space) for item in file.items)
    shared = any(isinstance(item, ast.Let | ast.Layout) for item in file.items)
    parts: list[Map] = []
    if models <= 1 and not (models and shared):
        parts = writer.pieces(file.items)
    if len(parts) != 1:
        # several maps: a model is one of its own
        runs = groupby(file.items, key=lambda item: id(item) if isinstance(item, ast.Arch | ast.Space) else 0)
        parts = [part for _, run in runs for part in writer.pieces(tuple(run))]
    _head_first(parts)
    lines = Lines()
    if len(parts) == 1:
        lines.map(parts[0], 0)
    else:
        lines.list(List([Entry(None, part) for part in parts]), 0)
    lines.remarks(writer.comments.of(file).below, 0)
    return "".join(f"{line}\n" for line in lines.lines)


def _head_first(parts: list[Map]) -> None:
    """Move comments at the head of a file to its first line, above the key that its first items share."""
    if not (parts and parts[0].entries):
        return
    first = parts[0].entries[0]
    if first.key in _VERB.values() and not isinstance(first.value, str) and not first.remarks:
        inner = first.value.entries[0]
        while inner.key is None and isinstance(inner.value, Map):
            inner = inner.value.entries[0]
        first.remarks.above.extend(inner.remarks.above)
        inner.remarks.above.clear()


class _Writer:
    """Maps and lists from syntax."""

    def __init__(self, comments: Comments) -> None:
        self.comments = comments

    def pieces(self, items: Iterable[Item]) -> list[Map]:
        """The items as one map, or as several where one map would have a key twice."""
        pieces = [Map([])]
        for _, group in groupby(items, key=_group):
            entries = self._entries(list(group))
            taken = {entry.key for entry in pieces[-1].entries}
            if any(entry.key in taken for entry in entries):
                pieces.append(Map([]))
            pieces[-1].entries.extend(entries)
        return pieces

    def _body(self, items: tuple[Item, ...]) -> Map | List:
        pieces = self.pieces(items)
        return pieces[0] if len(pieces) == 1 else List([Entry(None, piece) for piece in pieces])

    def _entries(self, group: list[Item]) -> list[Entry]:
        """What neighbours of one kind are: one key each, or all of them under one."""
        first = group[0]
        remarks = self.comments.of(first)
        if isinstance(first, ast.Arch | ast.Space):
            return self._model(first, remarks)
        if isinstance(first, ast.Edition):
            return [Entry("edition", first.number.text, remarks)]
        if isinstance(first, ast.Attribute):
            return [Entry(first.name.id, _expression(first.value), remarks)]
        if isinstance(first, ast.Default):
            return [Entry("default", self._body(first.items), remarks)]
        if isinstance(first, ast.Position):
            return [Entry(first.which, self._body(first.items), remarks, brief=_brief(first))]
        if isinstance(first, ast.Head) and first.name is None:
            return [Entry("head", _expression(first.value), remarks)]
        if isinstance(first, ast.Layout) and first.name is None:
            return [Entry("layout", self._lines(first), remarks)]
        key = _group(first)[0]
        if isinstance(first, ast.Require | ast.Objective):
            entries = [Entry(None, _words(item), self.comments.of(item)) for item in group]
            if len(entries) == 1:
                return [Entry(key, entries[0].value, remarks)]
            return [Entry(key, List(entries), brief=isinstance(first, ast.Objective))]
        return [Entry(key, self._named(group))]

    def _model(self, model: ast.Arch | ast.Space, remarks: Remarks) -> list[Entry]:
        head = Remarks(remarks.above, remarks.opened)
        entries = [Entry("arch" if isinstance(model, ast.Arch) else "space", model.name.id, head)]
        if model.base:
            entries.append(Entry("extends" if isinstance(model, ast.Arch) else "over", model.base.id))
        pieces = self.pieces(model.items)
        if any(entry.key == "items" for entry in pieces[0].entries):
            # an attribute of that name
            pieces.insert(0, Map([]))
        entries += pieces[0].entries
        if more := [Entry(None, piece) for piece in pieces[1:]]:
            entries.append(Entry("items", more[0].value if len(more) == 1 else List(more)))
        # what stood behind the closing brace stands below the last item
        last = entries[-1]
        below = [*remarks.below, *([remarks.end] if remarks.end else [])]
        entries[-1] = Entry(last.key, last.value, last.remarks, last.brief, below)
        return entries

    def _named(self, group: list[Item]) -> Map | List:
        """One key for each item; a list of maps where a name stands twice; bounds of one quantity as a list."""
        maps = [Map([])]
        for key, items in groupby(group, key=_name):
            entries = [Entry(key, self._value(item), self.comments.of(item), brief=_brief(item)) for item in items]
            if len(entries) > 1 and isinstance(group[0], ast.Expect | ast.Budget):
                bounds = [Entry(None, entry.value, entry.remarks, brief=True) for entry in entries]
                entries = [Entry(key, List(bounds), brief=True)]
            for entry in entries:
                if any(entry.key == other.key for other in maps[-1].entries):
                    maps.append(Map([]))
                maps[-1].entries.append(entry)
        return maps[0] if len(maps) == 1 else List([Entry(None, piece) for piece in maps])

    def _value(self, item: Item) -> Value:
        if isinstance(item, ast.Stage):
            return self._body(item.items)
        if isinstance(item, ast.Layout):
            return self._lines(item)
        if isinstance(item, ast.Import):
            names = [name.id for name in item.names]
            return names[0] if len(names) == 1 else List([Entry(None, name) for name in names])
        if isinstance(item, ast.Expect | ast.Budget):
            return _bound(item)
        assert isinstance(item, ast.Let | ast.Node | ast.Head)
        return _expression(item.value)

    def _lines(self, layout: ast.Layout) -> List:
        entries = []
        for line in layout.lines:
            parts = [Entry(line.kind, _expression(line.body))]
            if line.skip is not None:
                parts.append(Entry("skip", _expression(line.skip)))
            entries.append(Entry(None, Map(parts), self.comments.of(line)))
        return List(entries)


def _brief(item: Item) -> bool:
    """Whether an item can stand on one line: it has no layout, whose lines stand on their own."""
    if isinstance(item, ast.Stage | ast.Position):
        return all(_brief(inner) for inner in item.items)
    return not isinstance(item, ast.Layout)


def _group(item: Item) -> tuple[str, int]:
    """Neighbours of the same group share a key; an item that has a key for itself is a group of its own."""
    if isinstance(item, ast.Objective):
        return item.direction, 0
    if isinstance(item, ast.Layout | ast.Head) and item.name is None:
        return "", id(item)
    kind = type(item)
    word = _PLURAL.get(kind) or _VERB.get(kind)
    return (word, 0) if word else ("", id(item))


def _name(item: Item) -> str:
    if isinstance(item, ast.Let):
        return _signature(item.name, item.params)
    if isinstance(item, ast.Layout) and item.name:
        return _signature(item.name, item.params)
    if isinstance(item, ast.Expect | ast.Budget):
        return item.quantity.id
    if isinstance(item, ast.Import):
        return item.path.value
    assert isinstance(item, ast.Stage | ast.Node | ast.Head)
    assert item.name is not None
    return item.name.id


def _words(item: Item) -> str:
    if isinstance(item, ast.Objective):
        return item.name.id
    assert isinstance(item, ast.Require)
    # only sums and what binds tighter stand without parentheses in a comparison
    operands = [_expression(operand, arithmetic=True) for operand in item.operands]
    return operands[0] + "".join(f" {sign} {operand}" for sign, operand in zip(item.operators, operands[1:], strict=True))


def _bound(item: ast.Expect | ast.Budget) -> Value:
    value = _expression(item.value)
    if isinstance(item, ast.Budget):
        value = f"{item.operator} {value}"
    entries = [Entry("value", value)]
    if item.at is not None:
        entries.append(Entry("at", _expression(item.at)))
    if item.by is not None:
        entries.append(Entry("by", item.by.id))
    if isinstance(item, ast.Expect) and item.because is not None:
        entries.append(Entry("because", item.because.value))
    return value if len(entries) == 1 else Map(entries)


def _expression(value: ast.Expr, *, arithmetic: bool = False) -> str:
    """An expression on one line."""
    text = " ".join(line.strip() for line in format_expression(value).splitlines())
    return f"({text})" if arithmetic and isinstance(value, ast.Choice | ast.Chain | ast.Range) else text


def _signature(name: ast.Ident, params: tuple[ast.Param, ...] | None) -> str:
    if params is None:
        return name.id
    given = (p.name.id if p.default is None else f"{p.name.id} = {_expression(p.default)}" for p in params)
    return f"{name.id}({', '.join(given)})"
