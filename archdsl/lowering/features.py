"""What a backbone tells about its stages."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir.network import Network, PlacedStage
from archdsl.ir.reach import sources
from archdsl.schema.units import FeatureMap, Size


@dataclass(frozen=True, slots=True)
class Feature:
    """The map that a stage makes: `reduction` is how many pixels of the image one position stands for, along each side.

    `module` is the name of the stage's module. `size` and `reduction` are those at the image size of the spec.
    """

    name: str
    channels: int
    size: Size | None
    reduction: int | None
    module: str


def feature_info(network: Network) -> tuple[Feature, ...]:
    """One entry for each stage, in the order of the spec."""
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
    stages = {name: value for name, value in network.values.items() if isinstance(value, PlacedStage)}
    return tuple(
        Feature(name, stages[name].y.channels, stages[name].y.size, reductions[name], f"stages.{name}")
        for name in network.stages
    )


def _times(reduction: int | None, x: FeatureMap, y: FeatureMap) -> int | None:
    """Rounded at each step, so that odd maps, whose steps round up, keep the factor their strides give."""
    if reduction is None or x.size is None or y.size is None:
        return None
    return max(1, round(reduction * x.size.height / y.size.height))
