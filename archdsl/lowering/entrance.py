"""The parts of a network that read the image. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.network import Network, Placed, PlacedStage, value_level
from archdsl.ir.part import Concat, Fit, Leaf, Read, Split, Sum


def entrances(network: Network) -> Iterator[str]:
    """Names in the state_dict of the parts with weights that read the image itself, with no weights before them.

    What weighs each channel by itself, such as a norm, is one of them and hands the image on.
    """
    bare = _Bare(network)
    bare.walk()
    return iter(bare.found)


class _Bare:
    """Which values are still the image, and the parts with weights that read it."""

    def __init__(self, network: Network) -> None:
        self.found: list[str] = []
        self._network = network
        self._values: dict[str, bool] = {}

    def walk(self) -> None:
        network = self._network
        self._values[""] = self._part(network.stem, "stem", bare=True)
        for name, value in network.values.items():
            bare = self._values[network.reads.get(name, "")]
            if isinstance(value, PlacedStage):
                self._values[name] = self._stage(value, f"stages.{name}", bare=bare)
            else:
                self._values[name] = self._part(value, value_level(network, name), bare=bare)

    def _stage(self, stage: PlacedStage, level: str, *, bare: bool) -> bool:
        bare = self._part(stage.source, f"{level}.from", bare=bare)
        bare = self._part(stage.down, f"{level}.down", bare=bare)
        for index, block in enumerate(stage.blocks):
            for line in block.lines:
                body = self._part(line.body, f"{level}.{index}", bare=bare)
                skip = self._part(line.skip, f"{level}.{index}.skip", bare=bare)
                bare = body and (skip or not line.residual)
        return self._part(stage.tail, f"{level}.tail", bare=bare)

    def _part(self, placed: Placed | None, level: str, *, bare: bool) -> bool:
        """Whether what comes out is still the image, where that is `bare` for what comes in."""
        if placed is None:
            return bare
        here = f"{level}.{placed.name}" if placed.name else level
        match placed.part:
            case Read(value=value):
                return self._values[value]
            case Leaf():
                weights = placed.leaf.weights(placed.x)
                if bare and weights:
                    self.found.append(here)
                return bare and all(len(shape) < 2 for shape in weights.values())
            case Sum() | Concat() | Split() | Fit():
                # a `fit` with nothing to fit has no children
                inner = [self._part(child, here, bare=bare) for child in placed.children] or [bare]
                return all(inner)
            case _:
                for child in placed.children:
                    bare = self._part(child, here, bare=bare)
                return bare
