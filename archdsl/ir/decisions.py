"""The decisions of a space: each written domain is one, however often it is read, and is named by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from archdsl.ir.evaluate import DomainKey, domain_key
from archdsl.ir.lookup import STRUCTURE
from archdsl.ir.model import Model, Place
from archdsl.ir.values import show_number
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.source import limits
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.limits import EVALUATION_DEPTH
from archdsl.source.record import dataclass
from archdsl.source.text import Span

Point = Mapping[DomainKey, int | Fraction]

# what a space cannot leave open: the counts of two points would not be counts of one thing, their graphs would differ, or
# they would be one network
_FIXED = ("input", "classes", "from", "logits", "preprocess")


@dataclass(frozen=True, slots=True)
class Decision:
    """One written domain.

    `values` are what a point holds for it: the options' indices of a choice, the numbers of a range; `labels` are the same
    as a reader writes them. `parent` is the decision and value without which it does not exist.
    """

    path: str
    key: DomainKey
    span: Span
    values: tuple[int | Fraction, ...]
    labels: tuple[str, ...]
    parent: tuple[DomainKey, int] | None
    is_range: bool = False

    def listed(self) -> str:
        """The values as a reader writes them, of many the first."""
        return ", ".join(self.labels[:8]) + (", ..." if len(self.labels) > 8 else "")

    def label(self, value: int | Fraction) -> str:
        """A value as a reader writes it."""
        return self.labels[self.values.index(value)]


def decisions_of(model: Model, report: Report) -> tuple[Decision, ...]:
    """All decisions of a space, in the order of their places; domains that are wrong are reported and left out."""
    finder = _Finder(model, report)
    for path, expr in written(model):
        if path.rpartition(".")[2] in _FIXED or path in model.nodes:
            finder.refuse(expr, path)
            continue
        finder.walk(expr, path, bare=True, parent=None)
    for let in reached_lets(model, [expr for _, expr in written(model)]):
        finder.walk(let.value, let.name.id, bare=True, parent=None)
    return tuple(finder.found)


def written(model: Model) -> Iterator[tuple[str, ast.Expr]]:
    """Every expression of a model with the path of its place, lets first."""
    yield from _in_place(model.place)
    for layout in model.layouts.values():
        yield from _in_layout(layout, layout.name.id if layout.name else "layout")
    for place in (model.default, *model.stages.values()):
        yield from _in_place(place)
        for position in place.positions.values():
            yield from _in_place(position)
    for name, node in model.nodes.items():
        yield name, node.value
    for name, head in model.heads.items():
        yield name or "head", head.value


def _in_place(place: Place) -> Iterator[tuple[str, ast.Expr]]:
    for name, let in place.lets.items():
        yield place.below(name), let.value
    for name, attribute in place.attributes.items():
        yield place.below(name), attribute.value
    if place.layout is not None:
        yield from _in_layout(place.layout, place.below("layout"))


def _in_layout(layout: ast.Layout, path: str) -> Iterator[tuple[str, ast.Expr]]:
    for line in layout.lines:
        yield path, line.body
        if line.skip is not None:
            yield path, line.skip


def reached_lets(model: Model, expressions: list[ast.Expr]) -> list[ast.Let]:
    """The lets of files that expressions reach through any number of names."""
    found: dict[int, ast.Let] = {}
    waiting: list[ast.Syntax] = list(expressions)
    while waiting:
        for node in ast.walk(waiting.pop(0)):
            if isinstance(node, ast.Name):
                let = model.file_let(node.id, node.span.source)
                if isinstance(let, ast.Let) and id(let) not in found:
                    found[id(let)] = let
                    waiting.append(let.value)
    return list(found.values())


def domains_in(expr: ast.Expr) -> Iterator[ast.Choice | ast.Range]:
    """The domains written in an expression, in reading order."""
    for node in ast.walk(expr):
        if isinstance(node, ast.Choice | ast.Range):
            yield node


class _Finder:
    def __init__(self, model: Model, report: Report) -> None:
        self.model = model
        self.report = report
        self.found: list[Decision] = []
        self.paths: dict[str, int] = {}
        self.keys: set[DomainKey] = set()
        self.values = 0

    def walk(self, expr: ast.Syntax, path: str, *, bare: bool, parent: tuple[DomainKey, int] | None) -> None:
        """Find the domains of an expression. `bare`: it is all that stands at its place, so a call adds no name of its own."""
        if isinstance(expr, ast.Choice):
            self._choice(expr, path, parent)
        elif isinstance(expr, ast.Range):
            self._range(expr, path, parent)
        elif isinstance(expr, ast.Call):
            self._call(expr, path, bare, parent)
        else:
            for child in ast.children(expr):
                self.walk(child, path, bare=False, parent=parent)

    def refuse(self, expr: ast.Expr, path: str) -> None:
        """Report the domains of an expression whose value all points share."""
        for inner in (expr, *self._behind(expr)):
            for domain in domains_in(inner):
                notes = [] if inner is expr else [Note(f"`{path}` reads it here", expr.span)]
                self.report.error(
                    "misplaced-domain",
                    f"`{path}` has one value in all of a space",
                    domain.span,
                    "alternatives cannot stand here",
                    notes=notes,
                    help="write one arch for each, and a space over each",
                )

    def _behind(self, expr: ast.Expr) -> Iterator[ast.Expr]:
        """The values of all lets that an expression reaches by name, wherever they are given."""
        seen: set[Span] = set()
        waiting: list[ast.Syntax] = [expr]
        while waiting:
            for node in ast.walk(waiting.pop()):
                if not isinstance(node, ast.Name):
                    continue
                lets = [place.lets[node.id] for place in self.model.places() if node.id in place.lets]
                found = self.model.file_let(node.id, node.span.source)
                for let in (*lets, *([found] if isinstance(found, ast.Let) else [])):
                    if let.span not in seen:
                        seen.add(let.span)
                        waiting.append(let.value)
                        yield let.value

    def _choice(self, choice: ast.Choice, path: str, parent: tuple[DomainKey, int] | None) -> None:
        key = domain_key(choice)
        if key in self.keys:
            return
        # only a space needs the writer of texts
        from archdsl.lang.fmt import format_expression

        labels = tuple(format_expression(option) for option in choice.options)
        first: dict[str, ast.Expr] = {}
        for label, option in zip(labels, choice.options, strict=True):
            if first.setdefault(label, option) is not option:
                # a point is told by its labels: two alike could not be told apart
                self.report.error(
                    "duplicate-alternative",
                    f"`{label}` stands twice among the alternatives",
                    option.span,
                    "the same again",
                    notes=[Note("here first", first[label].span)],
                    help="leave one of them out",
                )
        self._add(Decision(self._free(path), key, choice.span, tuple(range(len(labels))), labels, parent))
        for index, option in enumerate(choice.options):
            self.walk(option, path, bare=False, parent=(key, index))

    def _range(self, span: ast.Range, path: str, parent: tuple[DomainKey, int] | None) -> None:
        key = domain_key(span)
        if key in self.keys:
            return
        with self.report.guard():
            numbers = self._numbers(span)
            labels = tuple(show_number(number) for number in numbers)
            self._add(Decision(self._free(path), key, span.span, numbers, labels, parent, is_range=True))

    def _add(self, decision: Decision) -> None:
        if len(self.found) >= limits.DECISIONS:
            self.report.fail(
                "limit-exceeded", f"a space may have at most {limits.DECISIONS:_} decisions", decision.span, "one more"
            )
        self.keys.add(decision.key)
        self.found.append(decision)

    def _reserve(self, count: int, span: Span) -> None:
        """Refuse more values than the decisions of a space may have together, before they are made; said once."""
        full = self.values > limits.VALUES
        self.values += count
        if full:
            raise Reported
        if self.values > limits.VALUES:
            message = f"the decisions of a space may have at most {limits.VALUES:_} values together"
            self.report.fail("limit-exceeded", message, span, "more than that with these", help="choose larger steps")

    def _free(self, path: str) -> str:
        count = self.paths.get(path, 0) + 1
        self.paths[path] = count
        return path if count == 1 else f"{path}_{count}"

    def _call(self, call: ast.Call, path: str, bare: bool, parent: tuple[DomainKey, int] | None) -> None:
        name = call.callee.id if isinstance(call.callee, ast.Name) else ""
        structural = name in STRUCTURE
        inner = path if (bare and not structural) or not name else f"{path}.{name}"
        names = self._fields(call.callee)
        for index, argument in enumerate(call.arguments):
            field = argument.name.id if argument.name else names[index] if index < len(names) else ""
            below = f"{inner}.{field}" if field else inner
            self.walk(argument.value, below, bare=False, parent=parent)

    def _fields(self, callee: ast.Expr) -> list[str]:
        """The names of what a call takes by place."""
        if not isinstance(callee, ast.Name):
            return []
        # a name that goes through more lets than that is a circle, or looks like one
        for _ in range(EVALUATION_DEPTH):
            let = self._let(callee)
            if let is None:
                kind = registry.lookup(callee.id)
                return [kind.schema.fields[0].name] if isinstance(kind, type) and kind.schema.fields else []
            if let.params is not None:
                return [param.name.id for param in let.params]
            inner = let.value.callee if isinstance(let.value, ast.Call) else let.value
            if not isinstance(inner, ast.Name):
                return []
            callee = inner
        return []

    def _let(self, name: ast.Name) -> ast.Let | None:
        near = next((place.lets[name.id] for place in self.model.places() if name.id in place.lets), None)
        found = near or self.model.file_let(name.id, name.span.source)
        return found if isinstance(found, ast.Let) else None

    # --- the numbers of a range ---------------------------------------------------------------------------------

    def _numbers(self, span: ast.Range) -> tuple[int | Fraction, ...]:
        start, stop = self._literal(span.start), self._literal(span.stop)
        step = self._literal(span.step) if span.step is not None else None
        if step is None:
            if start.denominator != 1 or stop.denominator != 1:
                self.report.fail(
                    "missing-step",
                    "a range of numbers that are not whole needs a step",
                    span.span,
                    "in steps of what?",
                    help=f"write `{span.span.text} step 0.5`",
                )
            step = Fraction(1)
        if step <= 0:
            assert span.step is not None
            self.report.fail("empty-domain", "a step is larger than zero", span.step.span, "this leads nowhere")
        if stop < start:
            self.report.fail(
                "empty-domain",
                "a range goes from the smaller to the larger end",
                span.span,
                "no value lies in it",
                help=f"write `{show_number(stop)}..{show_number(start)}`",
            )
        count = int((stop - start) / step) + 1
        if count > limits.DOMAIN:
            self.report.fail(
                "limit-exceeded",
                f"a range may have at most {limits.DOMAIN:_} values",
                span.span,
                f"this one has {count:_}",
                help="choose a larger step",
            )
        self._reserve(count, span.span)
        numbers = [start + index * step for index in range(count)]
        if numbers[-1] != stop:
            self.report.warn(
                "short-range",
                "a range has both its ends, and the steps of this one pass over the second",
                span.span,
                f"the last value is {show_number(numbers[-1])}, not {show_number(stop)}",
                help=f"write `{show_number(start)}..{show_number(numbers[-1])} step {show_number(step)}`, or another step",
            )
        return tuple(number.numerator if number.denominator == 1 else number for number in numbers)

    def _literal(self, expr: ast.Expr) -> Fraction:
        if isinstance(expr, ast.Negate):
            return -self._literal(expr.operand)
        if isinstance(expr, ast.Integer) and abs(expr.value) <= limits.MAGNITUDE:
            return Fraction(expr.value)
        if isinstance(expr, ast.Real) and "e" not in expr.text.lower():
            return Fraction(expr.text.replace("_", ""))
        self.report.fail(
            "dynamic-domain",
            "the ends and the step of a range are numbers, written out",
            expr.span,
            "not a number",
            help="a domain that depended on another decision could not be counted; use `require` for such a bound",
        )


def combinations(decisions: Sequence[Decision], settled: Point) -> Iterator[dict[DomainKey, int | Fraction]]:
    """Every choice of values for those of the decisions that exist, the last varying fastest; `settled` are chosen already."""
    if not decisions:
        yield {}
        return
    # one open list of values for each decision that exists: deep recursion over a thousand decisions is not possible
    chosen: dict[DomainKey, int | Fraction] = {}
    levels: list[Iterator[int | Fraction] | None] = []
    while True:
        while len(levels) < len(decisions):
            decision = decisions[len(levels)]
            parent = decision.parent
            exists = parent is None or chosen.get(parent[0], settled.get(parent[0])) == parent[1]
            values = iter(decision.values) if exists else None
            if values is not None:
                chosen[decision.key] = next(values)
            levels.append(values)
        yield dict(chosen)
        while levels:
            decision, values = decisions[len(levels) - 1], levels[-1]
            following = next(values, None) if values is not None else None
            if following is not None:
                chosen[decision.key] = following
                break
            chosen.pop(decision.key, None)
            levels.pop()
        if not levels:
            return


def active(decisions: Sequence[Decision], point: Point) -> Iterator[Decision]:
    """The decisions that exist at a point: those not inside an option that was not drawn."""
    alive: set[DomainKey] = set()
    for decision in decisions:
        if decision.parent is None or (decision.parent[0] in alive and point.get(decision.parent[0]) == decision.parent[1]):
            alive.add(decision.key)
            yield decision
