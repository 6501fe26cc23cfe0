"""A network: an arch with the map known at each place, every part named as in the state_dict, and its cost in closed form.

Lowering makes one module of it; counting adds it up. Neither looks at the text again.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.part import Leaf, Part
from archdsl.ir.preprocess import Preprocess
from archdsl.schema.component import Component
from archdsl.schema.cost import Cost
from archdsl.schema.units import FeatureMap
from archdsl.source.record import dataclass


@dataclass(frozen=True, slots=True)
class Placed:
    """A part in its place: `x` comes in, `y` goes out.

    `name` is the part's name on its level of the state_dict: set for every `Leaf`, and for a labelled chain or sum,
    which is a level of its own; None for parts that make no level (their children stand on the level around them).
    `cost` is that of the part with everything in it; of a `Sum` it includes the additions.
    """

    part: Part
    x: FeatureMap
    y: FeatureMap
    children: tuple[Placed, ...] = ()
    name: str | None = None
    cost: Cost = Cost()

    @property
    def leaf(self) -> Component:
        """The component of a placed `Leaf`."""
        assert isinstance(self.part, Leaf)
        return self.part.component


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line of a block. Its body stands on the block's level, its skip on the level `skip` below it."""

    residual: bool
    body: Placed
    skip: Placed | None


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block; equal blocks of a stage are the same object. `drop_rates` is kept beside (see `PlacedStage`)."""

    lines: tuple[PlacedLine, ...]
    x: FeatureMap
    y: FeatureMap
    cost: Cost


@dataclass(frozen=True, slots=True)
class PlacedStage:
    """A stage: `source` (level `from`), `down`, the blocks (levels `0`, `1`, ...), `tail`.

    `drop_rates[i]` is the drop-path rate of the residual lines of block i.
    """

    name: str
    source: Placed | None
    down: Placed | None
    blocks: tuple[PlacedBlock, ...]
    drop_rates: tuple[float, ...]
    tail: Placed | None
    x: FeatureMap
    y: FeatureMap
    cost: Cost


@dataclass(frozen=True, slots=True)
class Network:
    """A whole network.

    `values` is in an order in which everything is computed before it is read: stages (`PlacedStage`), nodes and heads
    (`Placed`), by name. `reads` has, for each value, the value it is given: the one that comes in where its part does not
    begin with a `Read`; "" is the output of the stem (of the image, where there is no stem).
    `trained_only` names the heads that `logits` does not reach. `logits` is what evaluation returns, over the heads.
    `preprocess` is what the images of its published weights went through. `training_form` is, of a fused network, the one
    that it was made of.
    """

    name: str
    image: FeatureMap
    classes: int
    stem: Placed | None
    stages: tuple[str, ...]
    nodes: tuple[str, ...]
    heads: tuple[str, ...]
    values: dict[str, PlacedStage | Placed]
    reads: dict[str, str]
    logits: Placed
    trained_only: frozenset[str] = frozenset()
    preprocess: Preprocess | None = None
    training_form: Network | None = None


def leaves(placed: Placed | None, level: str = "") -> Iterator[tuple[str, Placed]]:
    """Every component in a placed part with its name in the state_dict, in reading order. `level` is where the part stands."""
    if placed is None:
        return
    here = f"{level}.{placed.name}" if placed.name else level
    if isinstance(placed.part, Leaf):
        yield here, placed
    for child in placed.children:
        yield from leaves(child, here)


def network_leaves(network: Network) -> Iterator[tuple[str, Placed]]:
    """Every component of a network with its name in the state_dict: stem, then stages, nodes and heads as computed."""
    for level, placed in network_parts(network):
        yield from leaves(placed, level)


def network_parts(network: Network) -> Iterator[tuple[str, Placed]]:
    """Every section and every line of a network, with the level it stands on, in the order of `network_leaves`."""
    if network.stem is not None:
        yield "stem", network.stem
    for name, value in network.values.items():
        if not isinstance(value, PlacedStage):
            yield value_level(network, name), value
            continue
        level = f"stages.{name}"
        if value.source is not None:
            yield f"{level}.from", value.source
        if value.down is not None:
            yield f"{level}.down", value.down
        for index, block in enumerate(value.blocks):
            for line in block.lines:
                yield f"{level}.{index}", line.body
                if line.skip is not None:
                    yield f"{level}.{index}.skip", line.skip
        if value.tail is not None:
            yield f"{level}.tail", value.tail


def value_level(network: Network, name: str) -> str:
    """The level of a node or a head: `nodes.<name>`, `head`, or `head.<name>` where there are several."""
    # there are few heads, and perhaps many nodes
    if name not in network.heads:
        return f"nodes.{name}"
    return "head" if len(network.heads) == 1 else f"head.{name}"


def weights(network: Network) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters by their names in the state_dict."""
    return {
        f"{key}.{name}": shape for key, leaf in network_leaves(network) for name, shape in leaf.leaf.weights(leaf.x).items()
    }


def undecayed(network: Network) -> frozenset[str]:
    """Names in the state_dict of the weights that the papers train without decay, beside biases and those of one axis."""
    return frozenset(f"{key}.{name}" for key, leaf in network_leaves(network) for name in leaf.leaf.undecayed())


def decayed(network: Network) -> frozenset[str]:
    """Names in the state_dict of the biases and weights of one axis that the papers train with decay all the same."""
    return frozenset(f"{key}.{name}" for key, leaf in network_leaves(network) for name in leaf.leaf.decayed())


def buffers(network: Network) -> dict[str, tuple[int, ...]]:
    """Shapes of all persistent buffers by their names in the state_dict."""
    return {
        f"{key}.{name}": shape for key, leaf in network_leaves(network) for name, shape in leaf.leaf.buffers(leaf.x).items()
    }
