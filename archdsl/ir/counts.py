"""Counts of a network in closed form: parameters, and operations by fvcore's rules, added up from its parts."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from archdsl.ir.network import Network, Placed, PlacedStage, leaves, value_level
from archdsl.ir.reach import evaluated
from archdsl.schema.cost import FREE, Cost
from archdsl.source.record import dataclass


@dataclass(frozen=True, slots=True)
class Closed:
    """Parameters of all parts, and the cost of those that `logits` reaches, for one image.

    `parts` and `params_by_part` go by the levels of the state_dict: stem, stages, nodes, heads. `rest` is what the logits are
    made with from several heads. `unreached` are the levels of the parts that `logits` does not reach.
    """

    params: int
    cost: Cost
    parts: Mapping[str, Cost]
    params_by_part: Mapping[str, int]
    rest: Cost
    unreached: frozenset[str]

    @property
    def evaluated_params(self) -> int:
        """The parameters of the parts that `logits` reaches."""
        return self.params - sum(self.params_by_part[level] for level in self.unreached)

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
    levels = part_levels(network)
    for level, name in levels.items():
        if name not in reached:
            parts[level] = FREE
        elif name:
            parts[level] = network.values[name].cost
        else:
            assert network.stem is not None
            parts[level] = network.stem.cost
    rest = network.logits.cost
    params = params_by_part(network)
    unreached = frozenset(level for level, name in levels.items() if name not in reached)
    return Closed(sum(params.values()), Cost.total([*parts.values(), rest]), parts, params, rest, unreached)


def params(network: Network) -> int:
    """All parameters of the training module, heads used in training only included."""
    return sum(params_by_part(network).values())


def params_by_part(network: Network) -> dict[str, int]:
    """The parameters of the stem, the stages, the nodes and the heads, by their levels in the state_dict."""
    found = {}
    for level, name in part_levels(network).items():
        value = network.values[name] if name else network.stem
        if isinstance(value, PlacedStage):
            # equal blocks of a stage are one object
            distinct = {id(block): block for block in value.blocks}
            held = {key: sum(_held(p) for line in b.lines for p in (line.body, line.skip)) for key, b in distinct.items()}
            around = _held(value.source) + _held(value.down) + _held(value.tail)
            found[level] = around + sum(held[id(block)] for block in value.blocks)
        else:
            found[level] = _held(value)
    return found


def _held(placed: Placed | None) -> int:
    return sum(prod(shape) for _, leaf in leaves(placed) for shape in leaf.leaf.weights(leaf.x).values())


def flops(network: Network) -> int:
    """Operations of one image in evaluation, as fvcore counts them: what `logits` does not reach costs nothing."""
    return closed_form(network).flops


def short(count: int) -> str:
    """A count in three digits with its unit: 13.1M, 2.23G."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.3g}{unit}" if value < 999.5 else f"{value:.0f}{unit}"
    return str(count)
