"""Points of a space: drawn at random, told by name, and written out as the arch that each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

from archdsl.ir.decisions import Point, active
from archdsl.ir.evaluate import DomainKey, domain_key
from archdsl.ir.write import canonical
from archdsl.lang import ast
from archdsl.source import limits
from archdsl.source.diagnostic import Report, SpecError
from archdsl.source.record import names, replace
from archdsl.source.suggest import did_you_mean

if TYPE_CHECKING:
    from archdsl.ir.space import Space

# how often a point is drawn anew before the space is given up
DRAWS = 500


class Drawn(dict[DomainKey, int | Fraction]):
    """A point: a value for each written domain. Printed, it has the decisions by name, as `Space.named` tells them."""

    def __init__(self, values: Point, named: dict[str, str]) -> None:
        super().__init__(values)
        self.named = named

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name} = {label}" for name, label in self.named.items()) + "}"


def draw(space: Space, random: Random | int, *, require: bool) -> Drawn:
    """As `Space.draw`."""
    if isinstance(random, int) and not isinstance(random, bool):
        random = Random(random)
    if not isinstance(random, Random):
        raise TypeError(f"`random` takes a random.Random or a whole number for a seed, not {random!r}")
    refused: SpecError | None = None
    for _ in range(DRAWS):
        point = drawn(space, {decision.key: random.choice(decision.values) for decision in space.decisions})
        if not require:
            return point
        try:
            space.network(point)
        except SpecError as error:
            refused = error
        else:
            return point
    raise ValueError(
        f"{DRAWS} points drawn from `{space.name}`, and none that can be built and keeps `require`; the last is refused above"
    ) from refused


def told(space: Space, named: Mapping[str, object]) -> Drawn:
    """As `Space.point`."""
    decisions = {decision.path: decision for decision in space.decisions}
    values = {found.key: space.base_point.get(found.key, found.values[0]) for found in space.decisions}
    for path, given in named.items():
        decision = decisions.get(path)
        if decision is None:
            near = did_you_mean(path, list(decisions), "there are")
            raise ValueError(f"`{space.name}` has no decision `{path}`{f': {near}' if near else ''}")
        label = f"{given:g}" if isinstance(given, float) else " ".join(str(given).split())
        if label not in decision.labels:
            raise ValueError(f"`{path}` is one of {decision.listed()}, not {label}")
        values[decision.key] = decision.values[decision.labels.index(label)]
    point = drawn(space, values)
    if idle := [path for path in named if path not in point.named]:
        raise ValueError(f"`{idle[0]}` does not exist at this point: it is part of an alternative that is not chosen")
    return point


def drawn(space: Space, values: Point) -> Drawn:
    """As `Space.drawn`."""
    return Drawn(values, {found.path: found.label(values[found.key]) for found in active(space.decisions, values)})


def settled_text(space: Space, point: Point, report: Report) -> str:
    """The arch at a point as one self-contained text: each domain replaced by what the point has for it."""
    from archdsl.lang.fmt import format_file

    for decision in active(space.decisions, point):
        if point.get(decision.key) not in decision.values:
            raise ValueError(f"this is no point of `{space.name}`: it has no value of `{decision.path}`")
    file = canonical(space.model, report)
    return format_file(replace(file, items=tuple(settled(item, point) for item in file.items), comments=()))


def settled(node: Any, point: Point) -> Any:
    """A piece of syntax with each domain in it replaced by what the point has for it."""
    if isinstance(node, ast.Choice | ast.Range):
        # what no decision reaches is never evaluated either
        value = point.get(domain_key(node), 0)
        return settled(node.options[int(value)], point) if isinstance(node, ast.Choice) else _number(value, node)
    changes = {}
    for name in names(node):
        value = getattr(node, name)
        inner = value if isinstance(value, tuple) else (value,)
        made = tuple(settled(child, point) if hasattr(child, "span") else child for child in inner)
        if any(new is not old for new, old in zip(made, inner, strict=True)):
            changes[name] = made if isinstance(value, tuple) else made[0]
    return replace(node, **changes) if changes else node


def _number(value: int | Fraction, node: ast.Range) -> ast.Expr:
    """A number of a range. Its ends and step are written out, so it has as many digits as they have."""
    if isinstance(value, int):
        number: ast.Expr = ast.Integer(abs(value), str(abs(value)), node.span)
    else:
        with localcontext(prec=2 * limits.NUMBER_LENGTH):
            text = format(Decimal(abs(value.numerator)) / value.denominator, "f")
        number = ast.Real(float(text), text, node.span)
    return ast.Negate(number, node.span) if value < 0 else number
