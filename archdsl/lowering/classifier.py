"""Where the classes are told apart: the last linear of each head. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir import part as parts
from archdsl.ir.network import Network, Placed
from archdsl.lowering.plan import module_path
from archdsl.schema.component import Component
from archdsl.schema.units import FeatureMap


@dataclass(frozen=True, slots=True)
class Classifier:
    """The last linear of a head: the names that lead to it, its component and the map it reads."""

    path: tuple[str, ...]
    spec: Component
    x: FeatureMap


def classifier(network: Network, name: str) -> Classifier | None:
    """Where the head `name` ends in a `linear`, its place."""
    placed = network.values[name]
    assert isinstance(placed, Placed)
    path = module_path(network, name)
    while not isinstance(placed.part, parts.Leaf):
        path = (*path, placed.name) if placed.name else path
        if not isinstance(placed.part, parts.Chain) or not placed.children:
            return None
        placed = placed.children[-1]
    if placed.leaf.schema.name != "linear":
        return None
    return Classifier((*path, placed.name or "linear"), placed.leaf, placed.x)
