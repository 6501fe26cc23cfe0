"""Amendment: `extends`, `over` and `--set` put a child's syntax in its base's, place by place, before anything is evaluated.

A value replaces the value at its place. A component refines the component at its place if both are the same one (seen
through lets): the child's fields join the base's. Nothing is created that the base does not know.
"""

from __future__ import annotations

from archdsl.ir.model import Model, Place
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.source.diagnostic import Note, Report
from archdsl.source.record import replace
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span

# how many lets a name may go through before it is taken for a circle, which evaluation then shows
_MAX_HOPS = 64


def amend(base: Model, child: Model, report: Report) -> Model:
    """The base with the child's places merged in; what the child says of itself (name, expectations) is the child's."""
    merged = base.copy()
    merged.kind, merged.name, merged.span = child.kind, child.name, child.span
    merged.lineage = (*child.lineage, *base.lineage)
    merged.files = {**base.files, **child.files}
    merged.own = child.own
    merged.expects, merged.budgets = child.expects, child.budgets
    merged.requires, merged.objectives = child.requires, child.objectives
    for name, layout in child.layouts.items():
        merged.layouts[name] = layout
    # lets first: whether two components are the same one is seen through them
    for pass_over in (_Lets(merged, report), _Attributes(merged, report)):
        pass_over.place(merged.place, child.place)
        pass_over.place(merged.default, child.default)
        for name, stage in child.stages.items():
            if name in merged.stages:
                pass_over.place(merged.stages[name], stage)
            else:
                _unknown(report, "stage", name, stage.span, base, list(base.stages))
    for name, node in child.nodes.items():
        if name in merged.nodes:
            value = Refinement(merged).merge(merged.place, merged.nodes[name].value, node.value)
            merged.nodes[name] = replace(node, value=value)
        else:
            _unknown(report, "node", name, node.name.span, base, list(base.nodes))
    for name, head in child.heads.items():
        if name in merged.heads:
            value = Refinement(merged).merge(merged.place, merged.heads[name].value, head.value)
            merged.heads[name] = replace(head, value=value)
        else:
            span = head.name.span if head.name else head.span.head()
            _unknown(report, "head", name or "head", span, base, [known for known in base.heads if known])
    return merged


def _unknown(report: Report, what: str, name: str, span: Span, base: Model, known: list[str]) -> None:
    report.error(
        "unknown-place",
        f"`{base.name}` has no {what} `{name}`",
        span,
        f"an amendment changes what the base has, and creates no {what}",
        notes=[Note(f"`{base.name}` is defined here", base.span)],
        help=did_you_mean(name, known, f"its {what}s are"),
    )


class _Pass:
    def __init__(self, model: Model, report: Report) -> None:
        self.model = model
        self.report = report
        self.refinement = Refinement(model)

    def place(self, into: Place, child: Place) -> None:
        self.merge(into, child)
        for which, position in child.positions.items():
            if which not in into.positions:
                into.positions[which] = Place("position", into.below(which), position.span)
            self.place(into.positions[which], position)

    def merge(self, into: Place, child: Place) -> None:
        raise AssertionError("abstract")


class _Lets(_Pass):
    def merge(self, into: Place, child: Place) -> None:
        for name, let in child.lets.items():
            old = into.lets.get(name)
            if old is None and not self._visible(into, name):
                known = sorted({known for place in self.model.places() for known in place.lets})
                self.report.error(
                    "unknown-let",
                    f"`{self.model.lineage[-1]}` has no `{name}` that this could replace",
                    let.name.span,
                    "an amendment creates no let",
                    help=did_you_mean(name, known, "its lets are") or f"write `let {name}` outside, at the level of the file",
                )
                continue
            same_form = old is not None and old.params is None and let.params is None
            value = self.refinement.merge(into, old.value, let.value) if old and same_form else let.value
            into.lets[name] = replace(let, value=value)

    def _visible(self, into: Place, name: str) -> bool:
        model = self.model
        near = [into, model.default, model.place]
        if into.kind == "position":
            near.append(model.stages.get(into.path.partition(".")[0], model.default))
        return any(name in place.lets for place in near)


class _Attributes(_Pass):
    def merge(self, into: Place, child: Place) -> None:
        for name, attribute in child.attributes.items():
            old = into.attributes.get(name)
            value = self.refinement.merge(into, old.value, attribute.value) if old else attribute.value
            into.attributes[name] = replace(attribute, value=value)
            if name == "layout":
                into.layout = None
        if child.layout is not None:
            into.layout = child.layout
            into.attributes.pop("layout", None)


class Refinement:
    """Merges the expression of a child into that of its base, both standing at one place of a model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def merge(self, place: Place, base: ast.Expr, child: ast.Expr) -> ast.Expr:
        """`child`, with the fields of `base` that it leaves open where both are the same component."""
        if isinstance(child, ast.Choice):
            return replace(child, options=tuple(self.merge(place, base, option) for option in child.options))
        named = self.component(place, child)
        # a call that is wrong by itself stays as it is, for evaluation to tell
        if named is None or named != self.component(place, base) or not _well_formed(child):
            return child
        told = self._arguments(place, child, named)
        written = self._arguments(place, base, named)
        head, base_head = _head_name(child), _head_name(base)
        same = head.id == base_head.id and self.let(place, head) is self.let(place, base_head)
        if same:
            # one let or component on both sides: only what stands at the two calls is joined
            told, written = self._own(child, named), self._own(base, named)
        fields = {**written, **told}
        if fields == told:
            return child
        callee = head if same else ast.Name(named, head.span)
        return ast.Call(callee, tuple(fields.values()), child.span)

    def component(self, place: Place, expr: ast.Expr) -> str | None:
        """The component that an expression refines, seen through lets without parameters; None for anything else."""
        for _ in range(_MAX_HOPS):
            if isinstance(expr, ast.Call):
                expr = expr.callee
            if not isinstance(expr, ast.Name):
                return None
            let = self.let(place, expr)
            if let is None:
                return expr.id if registry.lookup(expr.id) is not None else None
            if let.params is not None:
                return None
            expr = let.value
        return None

    def let(self, place: Place, name: ast.Name) -> ast.Let | None:
        """The let that a name means at a place."""
        model = self.model
        near = [place, model.default, model.place]
        if place.kind == "position":
            stage = model.stages.get(place.path.partition(".")[0])
            near = [place, *([stage] if stage else []), model.default, model.place]
        for scope in near:
            if name.id in scope.lets:
                return scope.lets[name.id]
        found = model.file_let(name.id, name.span.source)
        return found if isinstance(found, ast.Let) else None

    def _arguments(self, place: Place, expr: ast.Expr, component: str) -> dict[str, ast.Argument]:
        """All fields written for the component, from the innermost let outwards."""
        levels = []
        for _ in range(_MAX_HOPS):
            levels.append(self._own(expr, component))
            head = _head_name(expr)
            let = self.let(place, head)
            if let is None:
                break
            expr = let.value
        return {name: argument for level in reversed(levels) for name, argument in level.items()}

    def _own(self, expr: ast.Expr, component: str) -> dict[str, ast.Argument]:
        if not isinstance(expr, ast.Call):
            return {}
        kind = registry.lookup(component)
        fields = kind.schema.fields if isinstance(kind, type) else ()
        own = {}
        for argument in expr.arguments:
            name = argument.name or ast.Ident(fields[0].name if fields else "", argument.span)
            own[name.id] = replace(argument, name=name)
        return own


def _well_formed(expr: ast.Expr) -> bool:
    """Whether a call gives each field once, and at most one by place."""
    if not isinstance(expr, ast.Call):
        return True
    names = [argument.name.id for argument in expr.arguments if argument.name is not None]
    return len(names) == len(set(names)) and len(expr.arguments) - len(names) <= 1


def _head_name(expr: ast.Expr) -> ast.Name:
    head = expr.callee if isinstance(expr, ast.Call) else expr
    assert isinstance(head, ast.Name)
    return head
