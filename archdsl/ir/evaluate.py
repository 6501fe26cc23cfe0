"""Evaluation: what an expression means at a place, with every name looked up where it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm
from typing import Any, NoReturn

from archdsl.ir import values
from archdsl.ir.model import READABLE, Model, Place
from archdsl.ir.part import Chain, Concat, DropPath, Fit, Identity, Leaf, Origin, Part, Read, Split, Sum, walk_parts
from archdsl.ir.values import Built, Function, Partial, Ramp, Val, is_number, kind_of, origin_notes, relabelled
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.schema.component import Component
from archdsl.schema.field import MISSING, Field, FromField, FromPlace
from archdsl.schema.field import Part as PartDefault
from archdsl.source import limits
from archdsl.source.diagnostic import Note, Report
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Source, Span

CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "none": None}
# words that build structure: they look like components and have no weights of their own
STRUCTURE = ("identity", "split", "concat", "cycle", "fit", "ramp", "add")

DomainKey = tuple[Source, int, int]


def domain_key(domain: ast.Choice | ast.Range) -> DomainKey:
    """What identifies a written domain: its place in the text."""
    return domain.span.source, domain.span.start, domain.span.end


@dataclass(slots=True)
class Context:
    """What all evaluations for one arch share.

    `point` has what is drawn for each written domain: an option's index for a choice, the value for a range.
    """

    model: Model
    report: Report
    point: Mapping[DomainKey, int | Fraction] | None = None
    steps: int = 0
    depth: int = 0
    used: set[Span] = field(default_factory=set)
    drawn: set[DomainKey] = field(default_factory=set)


@dataclass(slots=True)
class Env:
    """A place from which names are looked up: `places` nearest first, then the files, the values, the components.

    `block` is the index of the block where there is one; `given` has attributes that come from elsewhere (the `dim` of
    the first stage in the stem); `cycle` collects how often the blocks repeat.
    """

    context: Context
    places: tuple[Place, ...]
    where: str
    place_span: Span
    block: int | None = None
    drop_rate: float = 0.0
    given: Mapping[str, Val] = field(default_factory=dict)
    params: Mapping[str, Val] = field(default_factory=dict)
    memo: dict[tuple[str, int], Val] = field(default_factory=dict)
    active: list[tuple[str, int, Span]] = field(default_factory=list)
    cycle: list[int] = field(default_factory=lambda: [1])

    @property
    def report(self) -> Report:
        return self.context.report

    # --- values -------------------------------------------------------------------------------------------------

    def evaluate(self, expr: ast.Expr) -> Val:
        """The value of an expression here."""
        context = self.context
        context.steps += 1
        if context.steps > limits.STEPS:
            self.report.fail(
                "limit-exceeded",
                f"an arch may take at most {limits.STEPS:_} steps to evaluate",
                expr.span.head(),
                "reached here",
                help="lets that call each other several times double the work at each level",
            )
        context.depth += 1
        try:
            if context.depth > limits.EVALUATION_DEPTH:
                self.report.fail(
                    "limit-exceeded",
                    f"values may need each other at most {limits.EVALUATION_DEPTH} levels deep",
                    expr.span.head(),
                    "deeper than that",
                )
            return self._evaluate(expr)
        finally:
            context.depth -= 1

    def _evaluate(self, expr: ast.Expr) -> Val:
        origin = Origin(expr.span)
        match expr:
            case ast.Name():
                return self._name(expr)
            case ast.Integer():
                return Val(values.checked_number(expr.value, expr.span, self.report), origin)
            case ast.Real():
                return Val(self._real(expr), origin)
            case ast.Shape():
                return Val(expr.values, origin)
            case ast.String():
                return Val(expr.value, origin)
            case ast.Quantity():
                return Val(expr, origin)
            case ast.List():
                return Val([self.evaluate(item) for item in expr.items], origin)
            case ast.Call():
                return self._call(expr)
            case ast.Member():
                return self._member(expr)
            case ast.Negate():
                operand = self.evaluate(expr.operand)
                if is_number(operand.value):
                    return Val(-operand.value, Origin(expr.span, operand.origin.hops))
                return self._scaled(operand, -1.0, expr.span)
            case ast.Sum():
                return self._sum(expr)
            case ast.Product():
                return self._product(expr)
            case ast.Chain():
                parts = [self.part(part) for part in expr.parts]
                return self._built(Chain(tuple(b.part for b in parts), expr.span), parts, expr.span)
            case ast.Choice() | ast.Range():
                return self._domain(expr)

    def _real(self, expr: ast.Real) -> int | Fraction:
        digits = expr.text.replace("_", "").lower()
        _, _, exponent = digits.partition("e")
        if exponent and abs(int(exponent)) > 30:
            self.report.fail("limit-exceeded", "an exponent may be at most 30", expr.span, "larger than that")
        return values.checked_number(Fraction(digits), expr.span, self.report)

    def _domain(self, expr: ast.Choice | ast.Range) -> Val:
        drawn = self._drawn(expr)
        if isinstance(expr, ast.Choice):
            return self.evaluate(expr.options[int(drawn)])
        return Val(drawn, Origin(expr.span))

    def chosen(self, choice: ast.Choice) -> ast.Expr:
        """The option that is drawn for a choice."""
        return choice.options[int(self._drawn(choice))]

    def _drawn(self, expr: ast.Choice | ast.Range) -> int | Fraction:
        point, key = self.context.point, domain_key(expr)
        if point is None:
            self.report.fail(
                "domain-outside-space",
                "alternatives and ranges belong in a `space`",
                expr.span,
                "an arch has one value here",
                help="choose one, or write a `space NAME over ARCH { ... }` with the alternatives",
            )
        if key not in point:
            self.report.fail("dynamic-domain", "this domain is not one of the space's decisions", expr.span)
        self.context.drawn.add(key)
        return point[key]

    # --- names --------------------------------------------------------------------------------------------------

    def _name(self, name: ast.Name) -> Val:
        bound = self.bound(name)
        if bound is not None:
            return bound
        word = name.id
        if word in CONSTANTS:
            return Val(CONSTANTS[word], Origin(name.span))
        if word == "identity":
            return Val(Built(Identity(name.span), 1), Origin(name.span))
        if word == "add":
            return Val("add", Origin(name.span))
        if word in STRUCTURE:
            self.report.fail(
                "missing-field", f"`{word}` needs its arguments", name.span, "not called", help=f"write `{word}(...)`"
            )
        found = registry.lookup(word)
        if found is None:
            self._unknown(name)
        if isinstance(found, registry.BrokenPlugin):
            self.report.fail(
                "broken-plugin",
                f"the component `{word}` of the package `{found.distribution}` cannot be loaded",
                name.span,
                found.error,
                help=f"repair or remove `{found.distribution}`",
            )
        return Val(Partial(found), Origin(name.span))

    def bound(self, name: ast.Name) -> Val | None:
        """The value a name has here by a parameter, let, attribute, or the network; None where nothing binds it."""
        word, span = name.id, name.span
        if word in self.params:
            inner = self.params[word]
            return inner.through(word, span, inner.span)
        for place in self.places:
            if word in place.lets:
                return self._let(place.lets[word], id(place), span)
            if word in place.attributes and self._readable(word):
                return self._attribute(place.attributes[word], place, span)
        if word in self.given:
            inner = self.given[word]
            return inner.through(word, span, inner.span)
        if word == "stride" and self.block is not None:
            return Val(1, Origin(span))
        if word == "drop_path" and self.block is not None:
            return Val(Built(DropPath(self.drop_rate, span), 1), Origin(span))
        found = self.context.model.file_let(word, span.source)
        if isinstance(found, ast.Let):
            return self._let(found, 0, span)
        model = self.context.model
        if word in model.stages or word in model.nodes or word in model.heads:
            return Val(Built(Read(word, span), 1), Origin(span))
        if self.block is not None and word in ("token", "channel"):
            self._missing_slot(word, span)
        return None

    def _readable(self, word: str) -> bool:
        return word in READABLE or (self.block is not None and word in ("token", "channel"))

    def _let(self, let: ast.Let, place: int, span: Span) -> Val:
        self.context.used.add(let.name.span)
        name = let.name.id
        if let.params is not None:
            return Val(Function(let), Origin(span, ((name, let.name.span),)))
        key = (name, place or id(let))
        if key not in self.memo:
            with self._entered(key, span, let.name.span):
                self.memo[key] = relabelled(self._closed().evaluate(let.value), name)
        return self.memo[key].through(name, span, let.value.span)

    def _attribute(self, attribute: ast.Attribute, place: Place, span: Span) -> Val:
        name = attribute.name.id
        key = (name, id(place))
        if key not in self.memo:
            with self._entered(key, span, attribute.name.span):
                inner = self._closed().evaluate(attribute.value)
                if name in ("token", "channel"):
                    inner = self._slot(name, inner, attribute)
                self.memo[key] = inner
        return self.memo[key].through(name, span, attribute.value.span)

    def _closed(self) -> Env:
        """The same place without the parameters of the let around: those are seen in its own text only."""
        return replace(self, params={}) if self.params else self

    @contextmanager
    def _entered(self, key: tuple[str, int], span: Span, written: Span) -> Iterator[None]:
        if any(name == key[0] and place == key[1] for name, place, _ in self.active):
            start = next(i for i, entry in enumerate(self.active) if entry[:2] == key)
            circle = " -> ".join(f"`{name}`" for name, _, _ in [*self.active[start:], self.active[start]])
            self.report.fail(
                "recursive-let",
                f"`{key[0]}` needs itself: {circle}",
                span,
                "the circle closes here",
                notes=[Note(f"`{key[0]}` is written here", written)],
                help="give one of them a value that does not need the others",
            )
        self.active.append((*key, span))
        try:
            yield
        finally:
            self.active.pop()

    def _slot(self, slot: str, val: Val, attribute: ast.Attribute) -> Val:
        if val.value is None:
            self._missing_slot(slot, attribute.value.span)
        built = self.to_part(val, attribute.value.span)
        other = "channel" if slot == "token" else "token"
        for leaf in walk_parts(built.part):
            if not isinstance(leaf, Leaf):
                continue
            schema = leaf.component.schema
            if schema.slot == other:
                self.report.fail(
                    "wrong-slot",
                    f"`{schema.name}` is a {other} mixer, and this is the {slot} mixer",
                    leaf.span,
                    f"in `{slot}`",
                    help=f"write it as `{other} = ...`, or choose a {slot} mixer: {_some(registry.names(slot))}",
                )
        return relabelled(Val(built, val.origin), slot)

    def _missing_slot(self, slot: str, span: Span) -> NoReturn:
        self.report.fail(
            "missing-slot",
            f"{self.where} has no {slot} mixer",
            self.place_span,
            f"no `{slot}` here, and none in `default`",
            notes=[Note("the layout asks for it here", span)],
            help=f"write `{slot} = ...`; {slot} mixers are {_some(registry.names(slot))}",  # type: ignore[arg-type]
        )

    def visible(self) -> set[str]:
        """Every name that could stand here."""
        model = self.context.model
        names = {name for place in self.places for name in place.lets} | set(self.params) | set(self.given)
        names |= {name for place in self.places for name in place.attributes if self._readable(name)}
        loaded = model.files.get(self.place_span.source)
        names |= {n for n in loaded.names if model.file_let(n, self.place_span.source)} if loaded else set()
        names |= {*model.stages, *model.nodes, *(head for head in model.heads if head)}
        return names

    def _unknown(self, name: ast.Name) -> NoReturn:
        word = name.id
        # a let of some other stage, or a let that this stage lacks, is a name without a value here
        elsewhere = [
            place
            for place in self.context.model.places()
            if word in place.lets or (word in READABLE and word in place.attributes)
        ]
        if elsewhere or word in READABLE:
            notes = [Note(f"{self.where} starts here", self.place_span)]
            notes += [
                Note(f"`{word}` has a value here", place.lets[word].name.span) for place in elsewhere[:1] if word in place.lets
            ]
            looked = ", ".join(place.path or self.context.model.name for place in self.places)
            write = f"`{word} = ...`" if word in READABLE else f"`let {word} = ...`"
            self.report.fail(
                "unbound-name",
                f"`{word}` has no value in {self.where}",
                name.span,
                f"looked up in {looked}",
                notes=notes,
                help=f"write {write} there",
            )
        candidates = {*self.visible(), *CONSTANTS, *STRUCTURE, *registry.names()}
        self.report.fail(
            "unknown-name",
            f"there is no `{word}`",
            name.span,
            "neither a name in sight nor a component",
            help=did_you_mean(word, candidates)
            or "`archdsl list components` shows the components; `let NAME = ...` makes a name",
        )

    def _member(self, expr: ast.Member) -> Val:
        self.report.fail(
            "unknown-name",
            "a value has no members here",
            expr.name.span,
            "`.` reads a stage's attribute in `require` only",
            help="give the value a `let` that both places read",
        )

    # --- numbers and sums of parts ------------------------------------------------------------------------------

    def _sum(self, expr: ast.Sum) -> Val:
        operands = [self.evaluate(operand) for operand in expr.operands]
        signs = [1, *(1 if operator == "+" else -1 for operator in expr.operators)]
        if all(is_number(operand.value) for operand in operands):
            total = sum(sign * operand.value for sign, operand in zip(signs, operands, strict=True))
            return Val(values.checked_number(total, expr.span, self.report), self._joined(expr.span, operands))
        self._all_parts(expr, operands, "add")
        parts = [self.to_part(val, operand.span) for val, operand in zip(operands, expr.operands, strict=True)]
        scales, flat = [], []
        for sign, built in zip(signs, parts, strict=True):
            # `0.5 * a` is a sum of one; inside another sum its scale is all that is left of it
            if isinstance(built.part, Sum) and len(built.part.parts) == 1 and built.part.label is None:
                scales.append(sign * built.part.scales[0])
                flat.append(built.part.parts[0])
            else:
                scales.append(float(sign))
                flat.append(built.part)
        return self._built(Sum(tuple(scales), tuple(flat), expr.span), parts, expr.span)

    def _product(self, expr: ast.Product) -> Val:
        result = self.evaluate(expr.operands[0])
        for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
            factor = self.evaluate(operand)
            span = expr.operands[0].span.to(operand.span)
            result = self._multiplied(result, operator, factor, span, operand)
        return Val(result.value, Origin(expr.span, result.origin.hops))

    def _multiplied(self, left: Val, operator: str, right: Val, span: Span, operand: ast.Expr) -> Val:
        if operator == "/" and is_number(right.value) and right.value == 0:
            self.report.fail(
                "not-whole",
                "a number divided by zero has no value",
                operand.span,
                "this is 0",
                notes=origin_notes(right.origin),
            )
        if is_number(left.value) and is_number(right.value):
            value = left.value * right.value if operator == "*" else Fraction(left.value) / right.value
            return Val(values.checked_number(value, span, self.report), self._joined(span, [left, right]))
        if is_number(right.value) and isinstance(left.value, Partial | Built):
            return self._scaled(left, float(right.value) if operator == "*" else float(1 / Fraction(right.value)), span)
        if is_number(left.value) and isinstance(right.value, Partial | Built) and operator == "*":
            return self._scaled(right, float(left.value), span)
        guilty = left if not (is_number(left.value) or isinstance(left.value, Partial | Built)) else right
        self.report.fail(
            "wrong-type",
            f"`{operator}` takes numbers, or a number and a part",
            guilty.span,
            f"this is {kind_of(guilty.value)}",
            notes=origin_notes(guilty.origin),
            help="a size has two numbers: write the product out, e.g. 14x14",
        )

    def _all_parts(self, expr: ast.Sum, operands: list[Val], verb: str) -> None:
        for operand in operands:
            if not isinstance(operand.value, Partial | Built | Function):
                others = "numbers" if any(is_number(o.value) for o in operands) else "parts"
                self.report.fail(
                    "wrong-type",
                    f"`+` and `-` {verb} numbers with numbers, or the outputs of parts with each other",
                    operand.span,
                    f"this is {kind_of(operand.value)}, beside {others}",
                    notes=origin_notes(operand.origin),
                    help="`+` between parts adds what they make of the same input; `->` sends data on",
                )

    def _scaled(self, val: Val, scale: float, span: Span) -> Val:
        built = self.to_part(val, val.span)
        return self._built(Sum((scale,), (built.part,), span), [built], span)

    def _joined(self, span: Span, operands: list[Val]) -> Origin:
        return Origin(span, tuple(hop for operand in operands for hop in operand.origin.hops)[:8])

    # --- calls --------------------------------------------------------------------------------------------------

    def _call(self, expr: ast.Call) -> Val:
        if isinstance(expr.callee, ast.Name) and expr.callee.id in STRUCTURE and self.bound(expr.callee) is None:
            return self._structure(expr.callee.id, expr)
        callee = self.evaluate(expr.callee)
        if isinstance(callee.value, Function):
            return self._applied(callee.value.let, expr)
        if isinstance(callee.value, Partial):
            return self._refined(callee.value, expr, callee.origin)
        what = "a chain or a sum" if isinstance(callee.value, Built) else kind_of(callee.value)
        name = expr.callee.id if isinstance(expr.callee, ast.Name) else "this"
        self.report.fail(
            "refine-chain",
            "only a component, or a let that holds a single one, can be refined",
            expr.callee.span,
            f"`{name}` is {what}",
            notes=origin_notes(callee.origin),
            help=f"give it parameters: `let {name}(...) = ...`"
            if isinstance(callee.value, Built)
            else "leave out the parentheses",
        )

    def _applied(self, let: ast.Let, call: ast.Call) -> Val:
        given = self.bind(let.params or (), call.arguments, let.name.id, let.name.span, call.span)
        with self._entered((let.name.id, id(let)), call.span, let.name.span):
            inner = self.with_params(given).evaluate(let.value)
        return relabelled(inner, let.name.id).through(let.name.id, call.span, let.value.span)

    def with_params(self, params: Mapping[str, Val]) -> Env:
        """The same place with the parameters of a let or layout."""
        return replace(self, params=params)

    def bind(
        self, params: tuple[ast.Param, ...], arguments: tuple[ast.Argument, ...], name: str, defined: Span, call: Span
    ) -> dict[str, Val]:
        """The arguments of a call by the names of the parameters, evaluated here."""
        names = [param.name.id for param in params]
        given: dict[str, Val] = {}
        for index, argument in enumerate(arguments):
            if argument.name is None and index >= len(params):
                self._too_many(name, len(params), argument, defined)
            word = argument.name.id if argument.name else names[index]
            place = argument.name.span if argument.name else argument.span
            if word not in names:
                self._no_field(name, word, place, names, defined)
            if word in given:
                self._duplicate(word, place, given[word].span)
            given[word] = self.evaluate(argument.value)
        for param in params:
            if param.name.id not in given:
                if param.default is None:
                    self.report.fail(
                        "missing-field",
                        f"`{name}` needs `{param.name.id}`",
                        call,
                        "not given",
                        notes=[Note(f"`{name}` is defined here", defined)],
                        help=f"write `{name}({param.name.id} = ...)`",
                    )
                given[param.name.id] = self._closed().evaluate(param.default)
        return given

    def _refined(self, partial: Partial, call: ast.Call, origin: Origin) -> Val:
        schema = partial.component.schema
        names = [entry.name for entry in schema.fields]
        own: dict[str, Val] = {}
        for index, argument in enumerate(call.arguments):
            if argument.name is None:
                if index > 0 or not names:
                    self._too_many(schema.name, min(1, len(names)), argument, None)
                name, place = names[0], argument.span
            else:
                name, place = argument.name.id, argument.name.span
            if name not in names:
                written = origin.hops[0] if origin.hops else None
                self._no_field(schema.name, name, place, names, written[1] if written else None)
            if name in own:
                self._duplicate(name, place, own[name].span)
            val = self.evaluate(argument.value)
            # a wrong value is reported here, where it is written, and only once
            entry = schema.field(name)
            assert entry is not None
            if not isinstance(val.value, Partial):
                values.coerce(entry, val, schema.name, self.report)
            own[name] = val
        return Val(replace(partial, arguments={**partial.arguments, **own}), Origin(call.span, origin.hops))

    def _too_many(self, name: str, allowed: int, argument: ast.Argument, defined: Span | None) -> NoReturn:
        takes = {0: "takes no value by place", 1: "takes one value by place"}.get(allowed, f"takes {allowed} values by place")
        self.report.fail(
            "positional-argument",
            f"`{name}` {takes}",
            argument.span,
            "which field is this?",
            notes=[Note(f"`{name}` is defined here", defined)] if defined else [],
            help="name the field: `field = value`",
        )

    def _no_field(self, owner: str, name: str, span: Span, names: list[str], defined: Span | None) -> NoReturn:
        self.report.fail(
            "unknown-field",
            f"`{owner}` has no field `{name}`",
            span,
            f"not a field of `{owner}`",
            notes=[Note(f"`{owner}` comes from here", defined)] if defined else [],
            help=did_you_mean(name, names, f"`{owner}` has") or f"`archdsl explain {owner}` shows its fields",
        )

    def _duplicate(self, name: str, span: Span, first: Span) -> NoReturn:
        self.report.fail(
            "duplicate-name",
            f"`{name}` is given twice",
            span,
            "second time",
            notes=[Note("first given here", first)],
            help="keep one of them",
        )

    def _structure(self, word: str, call: ast.Call) -> Val:
        origin = Origin(call.span)
        if word == "ramp":
            return Val(self._ramp(call), origin)
        if word in ("identity", "add"):
            if call.arguments:
                self._too_many(word, 0, call.arguments[0], None)
            assert isinstance(call.callee, ast.Name)
            return self._name(call.callee)
        for argument in call.arguments:
            if argument.name is not None:
                self._no_field(word, argument.name.id, argument.name.span, [], None)
        arguments = [argument.value for argument in call.arguments]
        if word == "fit":
            if len(arguments) != 1:
                self.report.fail("missing-field", "`fit` takes one part", call.span, help="write `fit(conv(1x1) -> batchnorm)`")
            built = self.part(arguments[0])
            return self._built(Fit(built.part, call.span), [built], call.span)
        if word == "cycle":
            return self._cycle(call, arguments)
        sizes = None
        if word == "split" and arguments:
            first = arguments[0]
            if isinstance(first, ast.List):
                sizes = tuple(values.whole(self._number(self.evaluate(item)), "a group", self.report) for item in first.items)
                arguments = arguments[1:]
        if len(arguments) < 2:
            self.report.fail("missing-field", f"`{word}` takes at least two parts", call.span, help=f"write `{word}(a, b)`")
        parts = [self.part(argument) for argument in arguments]
        inner = tuple(b.part for b in parts)
        if word == "concat":
            return self._built(Concat(inner, call.span), parts, call.span)
        if sizes is not None and len(sizes) != len(inner):
            self.report.fail(
                "split-mismatch",
                f"`split` has {len(sizes)} sizes for {len(inner)} parts",
                call.span,
                help="give one size for each part",
            )
        return self._built(Split(sizes, inner, call.span), parts, call.span)

    def _cycle(self, call: ast.Call, arguments: list[ast.Expr]) -> Val:
        if not arguments:
            self.report.fail("missing-field", "`cycle` takes at least one part", call.span, help="write `cycle(a, b)`")
        if self.block is None:
            self.report.fail(
                "cycle-outside-block",
                "`cycle` alternates over the blocks of a stage",
                call.span,
                f"{self.where} has no blocks here",
                help="use it in `token`, `channel` or a layout",
            )
        self.cycle[0] = lcm(self.cycle[0], len(arguments))
        return self.evaluate(arguments[self.block % len(arguments)])

    def _ramp(self, call: ast.Call) -> Ramp:
        given: dict[str, Val] = {}
        for index, argument in enumerate(call.arguments):
            if argument.name is None and index:
                self._too_many("ramp", 1, argument, None)
            name = argument.name.id if argument.name else "rate"
            place = argument.name.span if argument.name else argument.span
            if name not in ("rate", "endpoint"):
                self._no_field("ramp", name, place, ["rate", "endpoint"], None)
            if name in given:
                self._duplicate(name, place, given[name].span)
            given[name] = self.evaluate(argument.value)
        if "rate" not in given:
            self.report.fail("missing-field", "`ramp` needs its `rate`", call.span, help="write `ramp(0.1)`")
        rate = self.drop_probability(given["rate"])
        endpoint = given.get("endpoint")
        if endpoint is not None and not isinstance(endpoint.value, bool):
            self.report.fail(
                "wrong-type", "`endpoint` of `ramp` is `true` or `false`", endpoint.span, f"this is {kind_of(endpoint.value)}"
            )
        return Ramp(rate, endpoint.value if endpoint else True)

    def drop_probability(self, val: Val) -> float:
        """A drop-path rate: a number from 0 up to, not including, 1."""
        if not is_number(val.value):
            self.report.fail(
                "wrong-type",
                "a drop-path rate is a number, `ramp(rate)`, or `none`",
                val.span,
                f"this is {kind_of(val.value)}",
                notes=origin_notes(val.origin),
                help="write `drop_path = ramp(0.1)`",
            )
        if not 0 <= val.value < 1:
            self.report.fail(
                "out-of-bounds",
                "a drop-path rate lies between 0 and 1",
                val.span,
                f"this is {values.show_number(val.value)}",
                notes=origin_notes(val.origin),
                help="1 would drop every branch",
            )
        return float(val.value)

    def _number(self, val: Val) -> Val:
        if not is_number(val.value):
            self.report.fail("wrong-type", "this must be a number", val.span, f"this is {kind_of(val.value)}")
        return val

    # --- parts --------------------------------------------------------------------------------------------------

    def part(self, expr: ast.Expr) -> Built:
        """The part that an expression is."""
        return self.to_part(self.evaluate(expr), expr.span)

    def to_part(self, val: Val, span: Span) -> Built:
        """A value as a part, its fields complete."""
        if isinstance(val.value, Built):
            return val.value
        if isinstance(val.value, Partial):
            component = self.finish(val.value, span)
            arguments = {name: argument.origin for name, argument in val.value.arguments.items()}
            return Built(Leaf(component, span, arguments, val.value.label), 1)
        if isinstance(val.value, Function):
            let = val.value.let
            wanted = ", ".join(f"{param.name.id} = ..." for param in let.params or ())
            self.report.fail(
                "missing-field",
                f"`{let.name.id}` needs its arguments",
                span,
                "not called",
                notes=[Note("defined here", let.name.span)],
                help=f"write `{let.name.id}({wanted})`",
            )
        self.report.fail(
            "wrong-type",
            "a part of the network is wanted here: a component, a chain, or a sum",
            span,
            f"this is {kind_of(val.value)}",
            notes=origin_notes(val.origin),
            help="`archdsl list components` shows what there is",
        )

    def finish(self, partial: Partial, span: Span) -> Component:
        """A component with every field: those written, then the defaults."""
        schema = partial.component.schema
        fields: dict[str, Any] = {}
        for entry in schema.fields:
            if entry.name in partial.arguments:
                val = partial.arguments[entry.name]
                value = values.coerce(entry, val, schema.name, self.report)
                fields[entry.name] = self.finish(value, val.span) if isinstance(value, Partial) else value
            else:
                fields[entry.name] = self._default(entry, schema.name, span, fields)
        return partial.component(**fields)

    def _default(self, entry: Field, component: str, span: Span, fields: Mapping[str, Any]) -> Any:
        default = entry.default
        if default is MISSING:
            self.report.fail(
                "missing-field",
                f"`{component}` needs `{entry.name}`",
                span,
                f"no `{entry.name}` given",
                help=f"write `{component}({entry.name} = ...)`: {entry.doc}",
            )
        if isinstance(default, FromField):
            return fields[default.field]
        if isinstance(default, PartDefault):
            kind = registry.lookup(default.component)
            assert isinstance(kind, type)
            return self.finish(Partial(kind), span)
        if isinstance(default, FromPlace):
            found = self.bound(ast.Name(default.attribute, span))
            if found is None:
                self.report.fail(
                    "missing-field",
                    f"`{component}` needs `{entry.name}`",
                    span,
                    f"{self.where} has no `{default.attribute}` to take it from",
                    help=f"write `{entry.name} = ...`: {entry.doc}",
                )
            return values.coerce(entry, found, component, self.report)
        return default

    def _built(self, part: Part, parts: list[Built], span: Span) -> Val:
        size = sum(built.size for built in parts)
        if size > limits.PARTS:
            self.report.fail(
                "limit-exceeded",
                f"a network may have at most {limits.PARTS:_} components",
                span.head(),
                "more than that here",
                help="a let that holds itself twice doubles at each level",
            )
        return Val(Built(part, size), Origin(span))


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:6])
    return shown + (", ..." if len(names) > 6 else "")
