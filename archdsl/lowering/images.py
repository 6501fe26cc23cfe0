"""The images that a module takes: those of its spec, and all others that every component of it accepts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
        self._fixed = any(leaf.leaf.fixed(leaf.x) for _, leaf in network_leaves(network))
        self._refused: dict[FeatureMap, str] = {}

    def network(self) -> Network:
        """The network, placed again; its parts stand in no text."""
        network = place(self._arch, Report(), advise=False)
        assert network is not None
        return network

    def check(self, images: Tensor, module: nn.Module) -> None:
        """Refuse images that a component of the module would fail on. While a program is traced nothing is looked at.

        Raises
        ------
        ValueError: with the component that refuses them, and what would fit.
        TypeError: they are no tensor, or one of other numbers than the weights.
        """
        if torch.jit.is_tracing():
            return
        if not isinstance(images, Tensor):
            # what stands for a tensor while a graph is recorded is one
            if hasattr(type(images), "__torch_function__"):
                return
            raise TypeError(f"{self.name} takes a batch of images {self._batch}, not a {type(images).__name__}")
        self._check_numbers(images, module)
        if not all(type(number) is int for number in images.shape[1:]) or images.shape[1:] == self.image.shape:
            return
        if images.ndim != 4 or self.image.size is None:
            raise ValueError(f"{self.name} takes a batch of images {self._batch}, not a tensor {list(images.shape)}")
        channels, height, width = images.shape[1:]
        if channels != self.image.channels == width:
            permuted = f"[B, {width}, {channels}, {height}]"
            message = f"{self.name} takes a batch of images {self._batch}, these are {list(images.shape)}, channels last"
            raise ValueError(f"{message}: permute to {permuted} with `images.permute(0, 3, 1, 2)`")
        given = FeatureMap(channels, Size(height, width))
        if given not in self._refused:
            if len(self._refused) >= _KEPT:
                self._refused.clear()
            self._refused[given] = self._reason(given)
        if reason := self._refused[given]:
            raise ValueError(f"{self.name} takes images of {self.image}, these are {given}{reason}")

    @property
    def _batch(self) -> str:
        return f"[B, {', '.join(map(str, self.image.shape))}]"

    def _check_numbers(self, images: Tensor, module: nn.Module) -> None:
        weight = next(module.parameters(), None)
        # weights of another type of tensor compute as they like: quantised ones, or those that are gathered when they are used
        if weight is None or weight.dtype == images.dtype or type(weight) not in (nn.Parameter, Tensor):
            return
        kinds = {parameter.dtype for parameter in module.parameters()}
        wanted, given = _name(weight), _name(images)
        if not images.is_floating_point():
            scaled = " / 255" if images.dtype == torch.uint8 else ""
            help = f"`images.to(torch.{wanted}){scaled}`, and what the spec says of `preprocess`, makes such"
        elif images.dtype in kinds or torch.is_autocast_enabled(images.device.type):
            return
        else:
            help = f"convert them by `images.to(torch.{wanted})`, or the module by `.to(torch.{given})`"
        raise TypeError(f"{self.name} takes images of {wanted}, as its weights are, these are of {given}; {help}")

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


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _bare(part: Part) -> Part:
    """A part without the text it was read from, which a module need not keep."""
    return replace(part, span=NOWHERE, arguments={}) if isinstance(part, Leaf) else replace(part, span=NOWHERE)
