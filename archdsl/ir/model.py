"""A model: the syntax of an arch or a space, put in its places. Nothing is evaluated yet.

A place is where a value stands: the arch, its `default`, a stage, or a position (`first`, `last`) in one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from archdsl.ir.habits import habit_attribute
from archdsl.ir.library import LoadedFile
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Report
from archdsl.source.record import dataclass, field
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Source, Span

ARCH_ATTRIBUTES = ("input", "classes", "preprocess", "init", "drop_path", "join", "layout", "stem", "logits")
POSITION_ATTRIBUTES = ("stride", "token", "channel", "layout")
STAGE_ATTRIBUTES = ("dim", "depth", *POSITION_ATTRIBUTES, "drop_path", "join", "from", "down", "tail")
# attributes whose value may be read by name in an expression
READABLE = ("dim", "depth", "stride", "input", "classes")

Kind = Literal["arch", "default", "stage", "position"]


@dataclass(slots=True)
class Place:
    """What is written at one place. `path` names it: "" for the arch, `default`, `s1`, `s1.first`."""

    kind: Kind
    path: str
    span: Span
    lets: dict[str, ast.Let] = field(default_factory=dict)
    attributes: dict[str, ast.Attribute] = field(default_factory=dict)
    layout: ast.Layout | None = None
    positions: dict[str, Place] = field(default_factory=dict)

    def copy(self) -> Place:
        positions = {name: place.copy() for name, place in self.positions.items()}
        return Place(self.kind, self.path, self.span, dict(self.lets), dict(self.attributes), self.layout, positions)

    def below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


@dataclass(slots=True)
class Model:
    """An arch, or a space over one, after its bases were merged in.

    `lineage` has the names it is made of, nearest first. `expects` are its own: expectations are not inherited. `own` has
    the names of the lets that it writes itself.
    """

    kind: Literal["arch", "space"]
    name: str
    span: Span
    place: Place
    default: Place
    files: dict[Source, LoadedFile]
    lineage: tuple[str, ...]
    layouts: dict[str, ast.Layout] = field(default_factory=dict)
    stages: dict[str, Place] = field(default_factory=dict)
    nodes: dict[str, ast.Node] = field(default_factory=dict)
    heads: dict[str, ast.Head] = field(default_factory=dict)
    own: frozenset[Span] = frozenset()
    expects: tuple[ast.Expect, ...] = ()
    budgets: tuple[ast.Budget, ...] = ()
    requires: tuple[ast.Require, ...] = ()
    objectives: tuple[ast.Objective, ...] = ()

    def copy(self) -> Model:
        return Model(
            self.kind,
            self.name,
            self.span,
            self.place.copy(),
            self.default.copy(),
            dict(self.files),
            self.lineage,
            dict(self.layouts),
            {name: place.copy() for name, place in self.stages.items()},
            dict(self.nodes),
            dict(self.heads),
            self.own,
            self.expects,
            self.budgets,
            self.requires,
            self.objectives,
        )

    def places(self) -> Iterator[Place]:
        """Every place, the arch first."""
        for place in (self.place, self.default, *self.stages.values()):
            yield place
            yield from place.positions.values()

    def file_let(self, name: str, source: Source) -> ast.Let | ast.Layout | None:
        """A let or layout of the file that `source` is the text of."""
        loaded = self.files.get(source)
        found = loaded.find(name) if loaded else None
        if found is None:
            return None
        declaration, owner = found
        self.files.setdefault(owner.file.source, owner)
        return declaration if isinstance(declaration, ast.Let | ast.Layout) else None


def attributes_of(place: Place) -> tuple[str, ...]:
    """The attributes that a place may give."""
    return {"arch": ARCH_ATTRIBUTES, "position": POSITION_ATTRIBUTES}.get(place.kind, STAGE_ATTRIBUTES)


class Placer:
    """Puts the items of a declaration in their places, with what is misplaced reported."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def model(self, item: ast.Arch | ast.Space, files: dict[Source, LoadedFile]) -> Model:
        """The model that a declaration writes by itself, bases left aside."""
        kind: Literal["arch", "space"] = "arch" if isinstance(item, ast.Arch) else "space"
        span = item.name.span
        model = Model(
            kind, item.name.id, span, Place("arch", "", span), Place("default", "default", span), files, (item.name.id,)
        )
        values: dict[str, Span] = {}
        defaults: list[ast.Default] = []
        for entry in item.items:
            with self.report.guard():
                if isinstance(entry, ast.Stage):
                    self._once(values, entry.name)
                    model.stages[entry.name.id] = self._stage(entry)
                elif isinstance(entry, ast.Node):
                    self._once(values, entry.name)
                    model.nodes[entry.name.id] = entry
                elif isinstance(entry, ast.Head):
                    self._head(model, entry, values)
                elif isinstance(entry, ast.Default):
                    if defaults:
                        self._twice("default", entry.span.head(), defaults[0].span.head())
                    defaults.append(entry)
                    model.default = self._fill(Place("default", "default", entry.span.head()), entry.items)
                elif isinstance(entry, ast.Layout) and entry.name is not None:
                    if entry.name.id in model.layouts:
                        first = model.layouts[entry.name.id].name
                        self._twice(entry.name.id, entry.name.span, first.span if first else None)
                    model.layouts[entry.name.id] = entry
                elif isinstance(entry, ast.Let | ast.Layout | ast.Attribute):
                    self._put(model.place, entry)
        model.own = frozenset(let.name.span for place in model.places() for let in place.lets.values())
        model.expects = tuple(e for e in item.items if isinstance(e, ast.Expect))
        model.budgets = tuple(e for e in item.items if isinstance(e, ast.Budget))
        model.requires = tuple(e for e in item.items if isinstance(e, ast.Require))
        model.objectives = tuple(e for e in item.items if isinstance(e, ast.Objective))
        for name, let in model.place.lets.items():
            if name in values:
                self._twice(
                    name,
                    max(values[name], let.name.span, key=lambda s: s.start),
                    min(values[name], let.name.span, key=lambda s: s.start),
                )
        return model

    def _head(self, model: Model, head: ast.Head, values: dict[str, Span]) -> None:
        if head.name is None:
            if model.heads:
                self.report.fail(
                    "duplicate-name",
                    "with several heads each needs a name",
                    head.span.head(),
                    "no name",
                    help="write `head NAME = ...` for each, and `logits = ...` for what evaluation returns",
                )
            model.heads[""] = head
            return
        self._once(values, head.name)
        if "" in model.heads:
            self.report.fail(
                "duplicate-name",
                "with several heads each needs a name",
                model.heads[""].span.head(),
                "no name",
                notes=[Note("another head", head.name.span)],
                help="write `head NAME = ...` for each, and `logits = ...` for what evaluation returns",
            )
        model.heads[head.name.id] = head

    def _stage(self, stage: ast.Stage) -> Place:
        return self._fill(Place("stage", stage.name.id, stage.name.span), stage.items)

    def _fill(self, place: Place, items: tuple[ast.StageItem, ...]) -> Place:
        for entry in items:
            with self.report.guard():
                if isinstance(entry, ast.Position):
                    if entry.which in place.positions:
                        self._twice(entry.which, entry.span.head(), place.positions[entry.which].span)
                    position = Place("position", place.below(entry.which), entry.span.head())
                    place.positions[entry.which] = self._fill(position, entry.items)
                else:
                    self._put(place, entry)
        return place

    def _put(self, place: Place, entry: ast.Let | ast.Layout | ast.Attribute) -> None:
        if isinstance(entry, ast.Let):
            if entry.name.id in place.lets:
                self._twice(entry.name.id, entry.name.span, place.lets[entry.name.id].name.span)
            place.lets[entry.name.id] = entry
        elif isinstance(entry, ast.Layout):
            self._put_layout(place, entry, entry.span.head())
        else:
            name = entry.name.id
            if name not in attributes_of(place):
                self._unknown_attribute(place, entry.name)
            if name in place.attributes:
                self._twice(name, entry.name.span, place.attributes[name].name.span)
            if name == "layout":
                self._put_layout(place, None, entry.name.span)
            place.attributes[name] = entry

    def _put_layout(self, place: Place, layout: ast.Layout | None, span: Span) -> None:
        # neither form of the language can write a name here
        assert layout is None or layout.name is None
        if place.layout is not None or "layout" in place.attributes:
            other = place.layout.span.head() if place.layout else place.attributes["layout"].name.span
            self._twice("layout", span, other)
        place.layout = layout

    def _unknown_attribute(self, place: Place, name: ast.Ident) -> None:
        where = {"arch": "an arch", "default": "`default`", "stage": "a stage", "position": "`first` and `last`"}[place.kind]
        if name.id in STAGE_ATTRIBUTES and place.kind == "arch":
            help = f"write it in a stage, or in `default {{ {name.id} = ... }}` for all stages"
        elif name.id in STAGE_ATTRIBUTES:
            help = "it belongs to the stage: it cannot differ from block to block"
        elif name.id in ARCH_ATTRIBUTES:
            help = "it belongs to the arch: write it outside the stages"
        elif meant := habit_attribute(name.id, (*ARCH_ATTRIBUTES, *STAGE_ATTRIBUTES)):
            where_to = "" if meant in attributes_of(place) else " in the arch" if meant in ARCH_ATTRIBUTES else " in a stage"
            help = f"write `{meant} = ...`{where_to}"
        else:
            help = (
                did_you_mean(name.id, attributes_of(place), f"{where} has")
                or f"for a name of your own write `let {name.id} = ...`"
            )
        self.report.fail("unknown-attribute", f"{where} has no attribute `{name.id}`", name.span, "unknown here", help=help)

    def _once(self, values: dict[str, Span], name: ast.Ident) -> None:
        if name.id in values:
            self._twice(name.id, name.span, values[name.id])
        values[name.id] = name.span

    def _twice(self, name: str, span: Span, first: Span | None) -> None:
        notes = [Note("first given here", first)] if first else []
        self.report.fail(
            "duplicate-name", f"`{name}` is given twice", span, "second time", notes=notes, help="keep one of them"
        )
