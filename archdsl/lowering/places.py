"""What in a network depends on the classes, on the channels of the image, and on the size of a map. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.ir.network import Network, network_leaves
from archdsl.lowering.classifier import classifier
from archdsl.lowering.entrance import entrances
from archdsl.schema.grid import Grid


@dataclass(frozen=True, slots=True)
class Places:
    """Components by their names in the state_dict, and the tensors that are resized with a map.

    `classifiers` are the last linears of the heads, `entrances` the parts with weights that read the image itself.
    """

    classifiers: frozenset[str]
    entrances: frozenset[str]
    grids: Mapping[str, Grid]

    @classmethod
    def of(cls, network: Network) -> Places:
        """Those of a network."""
        found = [classifier(network, name) for name in network.heads]
        return cls(
            frozenset(".".join(one.path) for one in found if one is not None),
            frozenset(entrances(network)),
            {f"{key}.{name}": grid for key, leaf in network_leaves(network) for name, grid in leaf.leaf.grids(leaf.x).items()},
        )
