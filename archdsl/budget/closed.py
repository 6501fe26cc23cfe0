"""The cost of a network in closed form, added up from the costs of its parts. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from archdsl.ir.network import Network, PlacedStage, value_level, weights
from archdsl.lowering.reach import evaluated
from archdsl.schema.cost import FREE, Cost


@dataclass(frozen=True, slots=True)
class Closed:
    """Parameters of all parts, and the cost of those that `logits` reaches, for one image.

    `parts` and `params_by_part` go by the levels of the state_dict: stem, stages, nodes, heads. `rest` is what the logits are
    made with from several heads.
    """

    params: int
    cost: Cost
    parts: Mapping[str, Cost]
    params_by_part: Mapping[str, int]
    rest: Cost

    @property
    def flops(self) -> int:
        """The operations by fvcore's rules."""
        return self.cost.flops

    @property
    def unseen_flops(self) -> int:
        """The additions and multiplications that fvcore has no rule for."""
        return self.cost.unseen_flops


def part_levels(network: Network) -> dict[str, str]:
    """The levels of the stem, the stages, the nodes and the heads, with the name of each value; "" for the stem."""
    levels = {"stem": ""} if network.stem is not None else {}
    for name, value in network.values.items():
        levels[f"stages.{name}" if isinstance(value, PlacedStage) else value_level(network, name)] = name
    return levels


def closed_form(network: Network) -> Closed:
    """Add up a network. No weight is made and nothing is run."""
    reached = {"", *evaluated(network)}
    parts: dict[str, Cost] = {}
    for level, name in part_levels(network).items():
        if name not in reached:
            parts[level] = FREE
        elif name:
            parts[level] = network.values[name].cost
        else:
            assert network.stem is not None
            parts[level] = network.stem.cost
    params = dict.fromkeys(parts, 0)
    for key, shape in weights(network).items():
        level = max((level for level in params if key.startswith(f"{level}.")), key=len)
        params[level] += prod(shape)
    rest = network.logits.cost
    return Closed(sum(params.values()), Cost.total([*parts.values(), rest]), parts, params, rest)
