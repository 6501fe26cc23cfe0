"""The images that a module takes: those of its spec, and all others that every component of it accepts."""

from __future__ import annotations

import torch
from torch import Tensor

from archdsl.ir.network import Network, network_leaves, weights
from archdsl.ir.part import Leaf, Part
from archdsl.ir.shapes import place
from archdsl.ir.unplace import NOWHERE, unplaced
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.diagnostic import Report
from archdsl.source.record import replace

# other sizes whose answer is kept
_KEPT = 64


class Images:
    """Which images a backbone takes. Sizes other than that of the spec are judged when they are first met."""

    def __init__(self, network: Network) -> None:
        self.name = network.name
        self.image = network.image
        self._arch = unplaced(network, _bare)
        self._weights = weights(network)
        self._fixed = any(leaf.leaf.fixed() for _, leaf in network_leaves(network))
        self._refused: dict[FeatureMap, str] = {}

    def network(self) -> Network:
        """The network, placed again; its parts stand in no text."""
        network = place(self._arch, Report(), advise=False)
        assert network is not None
        return network

    def check(self, images: Tensor) -> None:
        """Refuse images that a component would fail on. While a program is traced nothing is looked at.

        Raises
        ------
        ValueError: with the component that refuses them, and what would fit.
        """
        if torch.jit.is_tracing() or not isinstance(images, Tensor):
            return
        if not all(type(number) is int for number in images.shape[1:]) or images.shape[1:] == self.image.shape:
            return
        if images.ndim != 4 or self.image.size is None:
            shape = ", ".join(map(str, self.image.shape))
            raise ValueError(f"{self.name} takes a batch of images [B, {shape}], not a tensor {list(images.shape)}")
        channels, height, width = images.shape[1:]
        given = FeatureMap(channels, Size(height, width))
        if given not in self._refused:
            if len(self._refused) >= _KEPT:
                self._refused.clear()
            self._refused[given] = self._reason(given)
        if reason := self._refused[given]:
            raise ValueError(f"{self.name} takes images of {self.image}, these are {given}{reason}")

    def _reason(self, given: FeatureMap) -> str:
        """Why images of another size are refused; nothing where they are not."""
        other = f"; build it with input={given.shape}"
        if given.channels != self.image.channels or min(given.shape) < 1:
            return other if min(given.shape) else ""
        report = Report()
        network = place(replace(self._arch, image=given), report)
        if network is not None:
            # another size may also ask for other weights, or for another table inside a component
            return "" if weights(network) == self._weights and not self._fixed else other
        found = report.errors[0]
        # what is too large for a spec may still be computed
        if found.slug == "limit-exceeded":
            return ""
        help = f"; {found.help}" if found.help else ""
        return f": {found.message}, and {found.label}{help}"


def _bare(part: Part) -> Part:
    """A part without the text it was read from, which a module need not keep."""
    return replace(part, span=NOWHERE, arguments={}) if isinstance(part, Leaf) else replace(part, span=NOWHERE)
