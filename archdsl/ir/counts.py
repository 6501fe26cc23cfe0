"""Counts of a network in closed form: parameters, and operations by fvcore's rules."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from archdsl.ir.network import Network, Placed, PlacedStage, leaves, network_leaves, value_level
from archdsl.schema.cost import Cost


def params(network: Network) -> int:
    """All parameters of the training module, heads used in training only included."""
    return sum(_weights(leaf) for _, leaf in network_leaves(network))


def _weights(leaf: Placed) -> int:
    return sum(prod(shape) for shape in leaf.leaf.weights(leaf.x).values())


def cost(network: Network) -> Cost:
    """Operations of one image in evaluation: what `logits` does not reach costs nothing."""
    return Cost.total([part for _, _, part in sections(network)] + [network.logits.cost])


def flops(network: Network) -> int:
    """Operations of one image as fvcore counts them."""
    return cost(network).flops


def sections(network: Network) -> Iterator[tuple[str, int, Cost]]:
    """Stem, stages, nodes and heads as computed: level in the state_dict, parameters, operations in evaluation."""
    if network.stem:
        yield "stem", sum(_weights(leaf) for _, leaf in leaves(network.stem)), network.stem.cost
    for name, value in network.values.items():
        if isinstance(value, PlacedStage):
            yield f"stages.{name}", sum(_weights(leaf) for leaf in stage_leaves(value)), value.cost
        else:
            spent = Cost() if name in network.trained_only else value.cost
            yield value_level(network, name), sum(_weights(leaf) for _, leaf in leaves(value)), spent


def stage_leaves(stage: PlacedStage) -> Iterator[Placed]:
    """Every component of a stage."""
    parts = [stage.source, stage.down]
    for block in stage.blocks:
        for line in block.lines:
            parts += [line.body, line.skip]
    for part in (*parts, stage.tail):
        for _, leaf in leaves(part):
            yield leaf


def shares(network: Network, quantity: str, most: int = 3) -> str:
    """The sections that hold most of a quantity, in words."""
    counted = [(held if quantity == "params" else spent.flops, level) for level, held, spent in sections(network)]
    total = sum(count for count, _ in counted) or 1
    largest = sorted(counted, reverse=True)[:most]
    return ", ".join(f"{level.rpartition('.')[2]} {short(count)} ({100 * count / total:.0f} %)" for count, level in largest)


def short(count: int) -> str:
    """A count in three digits with its unit: 13.1M, 2.23G."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.3g}{unit}" if value < 999.5 else f"{value:.0f}{unit}"
    return str(count)
