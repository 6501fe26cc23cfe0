"""What a backbone tells about its stages and nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archdsl.ir.network import Network
from archdsl.ir.reach import sources
from archdsl.lowering.plan import module_path
from archdsl.schema.units import FeatureMap, Size


@dataclass(frozen=True, slots=True)
class Feature:
    """The map that a stage or a node makes.

    `reduction` is how many pixels of the image one position stands for, along each side.

    `module` is the name of its module. `size` and `reduction` are those at the image size of the spec.
    """

    name: str
    channels: int
    size: Size | None
    reduction: int | None
    module: str


def feature_info(network: Network) -> tuple[Feature, ...]:
    """One entry for each stage, in the order of the spec."""
    return features_of(network, network.stages)


def features_of(network: Network, names: Iterable[str]) -> tuple[Feature, ...]:
    """One entry for each of the stages and nodes named, in this order."""
    reductions: dict[str, int | None] = {}
    stem = network.image if network.stem is None else network.stem.y
    reductions[""] = _times(1, network.image, stem)
    maps = {"": stem, **{name: value.y for name, value in network.values.items()}}
    for name in network.values:
        # every value has a source; of several the one that comes in, else the first by name
        read = sources(network, name)
        given = network.reads.get(name, "")
        given = given if given in read else min(read)
        reductions[name] = _times(reductions[given], maps[given], maps[name])
    return tuple(
        Feature(name, maps[name].channels, maps[name].size, reductions[name], ".".join(module_path(network, name)))
        for name in names
    )


def _times(reduction: int | None, x: FeatureMap, y: FeatureMap) -> int | None:
    """Rounded at each step, so that odd maps, whose steps round up, keep the factor their strides give."""
    if reduction is None or x.size is None or y.size is None:
        return None
    return max(1, round(reduction * x.size.height / y.size.height))
