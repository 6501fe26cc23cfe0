"""A point of a space as an amendment of its base: the shortest arch that extends the base and is the network of the point."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from archdsl.api import Spec
from archdsl.ir.amend import amend
from archdsl.ir.assemble import assemble
from archdsl.ir.decisions import Point
from archdsl.ir.digest import digest
from archdsl.ir.library import Library, LoadedFile, packaged_specs
from archdsl.ir.model import Placer
from archdsl.ir.network import Network, Placed, network_leaves
from archdsl.ir.part import Arch, Leaf
from archdsl.ir.points import settled
from archdsl.ir.preprocess import Preprocess
from archdsl.ir.reference import chosen
from archdsl.ir.resolve import resolve
from archdsl.ir.shapes import place
from archdsl.ir.write import canonical
from archdsl.lang import ast
from archdsl.lang.fmt import format_file
from archdsl.lang.parse import parse_file
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.record import replace
from archdsl.source.text import Source, Span

_BLOCKS = (ast.Stage, ast.Default, ast.Position)
_OF_SPACES = (ast.Budget, ast.Require, ast.Objective)
_NOWHERE = Span(Source("", ""), 0, 0)

Identity: TypeAlias = tuple[str, Preprocess | None]
Items: TypeAlias = tuple[Any, ...]


def identity(network: Network) -> Identity:
    """What two specs of one network have in common."""
    return digest(network), network.preprocess


def amendment(space: Spec, point: Point, name: str, path: Path, expects: Sequence[ast.Expect] = ()) -> str:
    """The text of an arch `name`, to be written to `path`, that extends the base of a space and is the network of a point.

    It says only what differs from the base, and brings the imports and lets of the space that it needs. A base that cannot
    be imported from `path` stands in the text. Of a space with overrides the arch stands alone.
    """
    return _Writer(space, point, name, path, tuple(expects)).text()


class _Writer:
    def __init__(self, space: Spec, point: Point, name: str, path: Path, expects: tuple[ast.Expect, ...]) -> None:
        assert space.space is not None
        self.spec, self.space, self.point = space, space.space, point
        self.path, self.expects = path, expects
        self.model = space.space.model
        self.owner = self.model.files[self.model.span.source]
        found = self.owner.declarations[self.model.name]
        assert isinstance(found, ast.Space)
        self.item = found
        self.name = ast.Ident(name, _NOWHERE)
        self.wanted = identity(self.space.network(point))

    def text(self) -> str:
        """The first of the forms that gives the network."""
        # what `--set` says stands in no file that could be extended
        if self.spec._overrides == "no":
            items = self.reduced(tuple(settled(i, self.point) for i in self.item.items if not isinstance(i, _OF_SPACES)))
            for base in (self.imported_base(), self.written_base()):
                if base is not None and (text := self.extending(base, items)):
                    return text
        text = self.alone()
        if self.read(text) != self.wanted:
            raise AssertionError(f"the arch written for {self.space.named(self.point)} is another network:\n{text}")
        return text

    # --- what differs -------------------------------------------------------------------------------------------

    def reduced(self, items: Items) -> Items:
        """The items without all that can be left out one by one."""
        before: Items | None = None
        while items != before:
            before, items = items, _least(items, lambda fewer: self.identity(fewer) == self.wanted)
        # a field is left out where the base says it, not where the component would have the value anyway
        return _fewer_fields(items, self.written(items), lambda fewer: self.written(fewer))

    def identity(self, items: Items) -> Identity | None:
        """What the base with these items is."""
        network = self.amended(items)
        return None if network is None else identity(network)

    def written(self, items: Items) -> object:
        """The same, with the fields that are written somewhere."""
        network = self.amended(items)
        return network and (identity(network), [sorted(_fields(leaf)) for _, leaf in network_leaves(network)])

    def amended(self, items: Items) -> Network | None:
        """The base with these items; None where that is nothing."""
        report = Report()
        try:
            arch = ast.Arch(self.item.name, self.item.base, items, self.item.span)
            own = Placer(report).model(arch, dict(self.model.files))
            return _made(resolve(amend(self.space.base_model, own, report), report, self.point), report)
        except Reported:
            return None

    # --- the file -----------------------------------------------------------------------------------------------

    def extending(self, base: tuple[ast.FileItem, ...], items: Items) -> str | None:
        """The file that extends a base, with the lets that are needed; None where it does not come out right."""
        arch = ast.Arch(self.name, ast.Ident(self.item.base.id, _NOWHERE), (*self.expects, *items), _NOWHERE)
        helpers = self.helpers(items)
        if (made := self.joined(base, helpers, arch)) is None:
            return None
        # names that only look as if they were read, such as those of parameters
        for helper in helpers:
            without = self.joined(base, tuple(other for other in helpers if other is not helper), arch)
            if without is not None:
                made, helpers = without, tuple(other for other in helpers if other is not helper)
        return made

    def joined(self, base: tuple[ast.FileItem, ...], helpers: tuple[ast.FileItem, ...], arch: ast.Arch) -> str | None:
        """The text of a file, if it gives the network."""
        items: list[ast.FileItem] = [item for item in self.owner.file.items if isinstance(item, ast.Edition)]
        items += _merged([item for item in (*base, *helpers) if isinstance(item, ast.Import)])
        known: list[ast.FileItem] = []
        for item in (*base, *helpers):
            if not isinstance(item, ast.Import) and item not in known:
                known.append(item)
        text = _canonical_text((*items, *known, arch))
        return text if self.read(text) == self.wanted else None

    def helpers(self, items: Items) -> tuple[ast.FileItem, ...]:
        """The lets and layouts of files that the items name, as imports where they stand in other files than the space."""
        found: dict[str, ast.FileItem] = {}
        waiting: list[ast.Syntax] = list(items)
        while waiting:
            for node in ast.walk(waiting.pop(0)):
                known = self.owner.find(node.id) if isinstance(node, ast.Name) else None
                if not isinstance(node, ast.Name) or known is None or node.id in found:
                    continue
                declaration, owner = known
                if not isinstance(declaration, ast.Let | ast.Layout):
                    continue
                if owner is self.owner:
                    found[node.id] = settled(declaration, self.point)
                    waiting.append(found[node.id])
                elif (path := self.import_path(owner)) is not None:
                    found[node.id] = _import(path, node.id)
        return tuple(found.values())

    def imported_base(self) -> tuple[ast.FileItem, ...] | None:
        found = self.owner.find(self.item.base.id)
        assert found is not None
        path = self.import_path(found[1])
        return None if path is None else (_import(path, self.item.base.id),)

    def written_base(self) -> tuple[ast.FileItem, ...] | None:
        """The base with all that it is made of."""
        try:
            return canonical(self.space.base_model, Report()).items
        except Reported:
            return None

    def import_path(self, loaded: LoadedFile) -> str | None:
        """How the file at `path` names another one; None where it cannot."""
        if loaded.path is None:
            return None
        real, specs = Path(os.path.realpath(loaded.path)), Path(os.path.realpath(packaged_specs()))
        if real.parent == specs and real.suffix == ".arch":
            return f"@{real.stem}"
        return Path(os.path.relpath(real, os.path.realpath(self.path.parent))).as_posix()

    def alone(self) -> str:
        """The arch by itself, every base merged in."""
        report = Report()
        file = parse_file(Source("point", self.spec.arch(self.point).canonical), report)
        report.raise_errors()
        assert file is not None
        *helpers, arch = file.items
        assert isinstance(arch, ast.Arch)
        return _canonical_text((*helpers, replace(arch, name=self.name, items=(*self.expects, *arch.items))))

    def read(self, text: str) -> Identity | None:
        """What a text at `path` is; None where it is nothing."""
        report = Report()
        library = Library(report)
        try:
            loaded = library.text(Source(self.path.name, text), path=self.path)
            if loaded is None:
                return None
            model = assemble(chosen(loaded, self.name.id, report), loaded, library)
            network = _made(resolve(model, report), report)
            return None if network is None else identity(network)
        except Reported:
            return None


def _made(arch: Arch | None, report: Report) -> Network | None:
    network = place(arch, report, advise=False) if arch is not None and not report.error_count else None
    return None if report.error_count else network


def _least(items: Items, keeps: Callable[[Items], bool]) -> Items:
    """The items, and those in their blocks, without what can be left out; the last are tried first."""
    for at in reversed(range(len(items))):
        before, item, after = items[:at], items[at], items[at + 1 :]
        if keeps((*before, *after)):
            items = (*before, *after)
        elif isinstance(item, _BLOCKS):
            inner = _least(item.items, partial(_keeps_with, keeps, before, item, after))
            items = (*before, replace(item, items=inner), *after)
    return items


def _keeps_with(keeps: Callable[[Items], bool], before: Items, block: Any, after: Items, inner: Items) -> bool:
    return keeps((*before, replace(block, items=inner), *after))


def _fewer_fields(items: Items, wanted: object, told: Callable[[Items], object]) -> Items:
    """The items without the fields of components that can be left out."""
    for fewer in _without_a_field(items):
        if told(fewer) == wanted:
            return _fewer_fields(fewer, wanted, told)
    return items


def _without_a_field(items: Items) -> Iterator[Items]:
    for at, item in enumerate(items):
        lesser: Iterator[Any] = iter(())
        if isinstance(item, _BLOCKS):
            lesser = (replace(item, items=inner) for inner in _without_a_field(item.items))
        elif isinstance(item, ast.Let | ast.Attribute | ast.Node | ast.Head) and isinstance(item.value, ast.Call):
            lesser = (replace(item, value=value) for value in _lesser_calls(item.value))
        for less in lesser:
            yield (*items[:at], less, *items[at + 1 :])


def _lesser_calls(call: ast.Call) -> Iterator[ast.Expr]:
    for at, argument in enumerate(call.arguments):
        if argument.name is not None:
            fewer = (*call.arguments[:at], *call.arguments[at + 1 :])
            yield replace(call, arguments=fewer) if fewer else call.callee


def _fields(leaf: Placed) -> Iterable[str]:
    return leaf.part.arguments if isinstance(leaf.part, Leaf) else ()


def _import(path: str, name: str) -> ast.Import:
    return ast.Import(ast.String(path, _NOWHERE), (ast.Ident(name, _NOWHERE),), _NOWHERE)


def _merged(imports: Sequence[ast.Import]) -> list[ast.Import]:
    """One import of each file."""
    names: dict[str, list[ast.Ident]] = {}
    for entry in imports:
        known = names.setdefault(entry.path.value, [])
        known += [name for name in entry.names if name not in known]
    return [ast.Import(ast.String(path, _NOWHERE), tuple(known), _NOWHERE) for path, known in names.items()]


def _canonical_text(items: Sequence[ast.FileItem]) -> str:
    return format_file(ast.File(tuple(items), Source("", "")))
