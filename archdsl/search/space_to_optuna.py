"""The decisions of a space as Optuna's parameters, and points as their values, both ways.

The distributions are static: one for each decision, whatever else is chosen. A decision that does not exist at a point, or
that nothing reads there, has the value of the base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from archdsl.ir.decisions import Decision
from archdsl.ir.points import Drawn
from archdsl.ir.space import Space

Param = str | int | float


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The distribution of each decision, by path: numbers for a range, labels for alternatives."""
    return {decision.path: _distribution(decision) for decision in space.decisions}


def to_params(space: Space, point: Drawn) -> dict[str, Param]:
    """The values of a point, by path."""
    return {decision.path: _param(decision, _value(space, decision, point)) for decision in space.decisions}


def to_labels(space: Space, params: Mapping[str, object]) -> dict[str, str]:
    """Values as a reader writes them, by path. Raises ValueError for a path or a value that the space does not have."""
    return {decision.path: decision.labels[place] for decision, place in _places(space, params)}


def to_point(space: Space, params: Mapping[str, object]) -> Drawn:
    """The point with these values; what does not exist there is left aside. Raises ValueError as `to_labels` does."""
    values = {decision.key: _of_base(space, decision) for decision in space.decisions}
    for decision, place in _places(space, params):
        values[decision.key] = decision.values[place]
    return space.drawn(values)


def from_labels(space: Space, labels: Mapping[str, str]) -> Drawn:
    """The point with these labels; what is not told is as in the base, and what does not exist there is left aside."""
    values = {decision.key: _of_base(space, decision) for decision in space.decisions}
    for decision in space.decisions:
        if decision.path in labels:
            values[decision.key] = decision.values[decision.labels.index(labels[decision.path])]
    return space.drawn(values)


def _places(space: Space, params: Mapping[str, object]) -> Iterator[tuple[Decision, int]]:
    """Each decision that is given, and the place of its value."""
    decisions = {decision.path: decision for decision in space.decisions}
    for path, value in params.items():
        if path not in decisions:
            raise ValueError(f"`{space.name}` has no decision `{path}`")
        yield decisions[path], _place(decisions[path], value)


def _distribution(decision: Decision) -> BaseDistribution:
    if not decision.is_range:
        return CategoricalDistribution(decision.labels)
    values = decision.values
    step = values[1] - values[0] if len(values) > 1 else 1
    if all(isinstance(value, int) for value in values):
        return IntDistribution(int(values[0]), int(values[-1]), step=int(step))
    return FloatDistribution(float(values[0]), float(values[-1]), step=float(step))


def _value(space: Space, decision: Decision, point: Drawn) -> int | Fraction:
    return point[decision.key] if decision.path in point.named else _of_base(space, decision)


def _of_base(space: Space, decision: Decision) -> int | Fraction:
    return space.base_point.get(decision.key, decision.values[0])


def _param(decision: Decision, value: int | Fraction) -> Param:
    if not decision.is_range:
        return decision.label(value)
    whole = all(isinstance(each, int) for each in decision.values)
    return int(value) if whole else float(value)


def _place(decision: Decision, value: object) -> int:
    for place, each in enumerate(decision.values):
        known = _param(decision, each)
        # a storage may give a number back with its last digit off
        near = isinstance(value, float) and isinstance(known, float) and abs(known - value) < 1e-9
        if known == value or near:
            return place
    raise ValueError(f"`{decision.path}` is one of {decision.listed()}, not {value}")
