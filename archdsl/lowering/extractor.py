"""The maps inside a backbone, for what predicts densely: detection, segmentation, depth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archdsl.ir.network import Network
from archdsl.ir.part import Chain, Leaf, Part, Read, Value
from archdsl.ir.reach import reached
from archdsl.ir.shapes import place
from archdsl.ir.unplace import NOWHERE, unplaced
from archdsl.lowering.features import Feature, features_of
from archdsl.lowering.images import Images
from archdsl.lowering.level import Level, run, set_recompute
from archdsl.lowering.module import Backbone
from archdsl.lowering.plan import plan
from archdsl.schema.defaults import with_defaults
from archdsl.schema.units import FeatureMap
from archdsl.source.diagnostic import Diagnostic, Report, SpecError
from archdsl.source.record import replace
from archdsl.source.suggest import did_you_mean

# no name of a spec has a blank
_END = "the end"


class FeatureExtractor(nn.Module):
    """A backbone that ends at its stages: images [B, C, H, W] to one map [B, channels, H', W'] for each stage or node named.

    The maps come in the order asked for, as `feature_info` tells them. Tokens beside the grid are left out. What none of the
    maps needs is gone; the rest keeps its names, so that its weights are a part of the backbone's.
    """

    def __init__(self, backbone: Backbone, network: Network, names: Sequence[str]) -> None:
        super().__init__()
        self.name = network.name
        self.image = network.image
        self.preprocess = network.preprocess
        self.feature_info = chosen(network, names)
        self._maps = tuple((info.name, network.values[info.name].y) for info in self.feature_info)
        needed = reached(network, names)
        # what was cut off asks for no size of images
        self._images = Images(ending_at(network, needed))
        self._plan = plan(network, needed, tuple(dict.fromkeys(names)))
        self._undecayed = backbone.no_weight_decay()
        if network.stem is not None:
            self.stem = backbone.stem
        self.stages = _kept(backbone.stages, needed)
        if nodes := [name for name in network.nodes if name in needed]:
            self.nodes = _kept(backbone.nodes, nodes)
        if heads := [name for name in network.heads if name in needed]:
            self.head = backbone.head if len(network.heads) == 1 else _kept(backbone.head, heads)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps of images [B, C, H, W].

        Raises
        ------
        ValueError, TypeError: images that a component refuses. A compiled or exported program does not look.
        """
        if not torch.compiler.is_compiling():
            self._images.check(images, self)
            self._check_grid(images)
        values = {"": self.stem(images) if "stem" in self._modules else images}
        run(self, self._plan, values)
        return [_grid(values[name], y) for name, y in self._maps]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Keep of each block only what it reads, and compute the rest again in the backward pass: less memory, more time."""
        set_recompute(self, enable)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that are published to be trained without weight decay."""
        return {name for name, _ in self.named_parameters() if name in self._undecayed}

    def _check_grid(self, images: Tensor) -> None:
        # a list of tokens does not say the shape of its grid
        if images.shape[1:] != self.image.shape and any(y.tokens for _, y in self._maps):
            raise ValueError(f"the features of {self.name} are for images of {self.image}; build it with another `input`")


def extract(backbone: Backbone, network: Network, names: Sequence[str]) -> FeatureExtractor:
    """The extractor that takes over the modules of a backbone.

    Raises
    ------
    SpecError: `unknown-feature`, a name that is no stage or node with a map.
    """
    return FeatureExtractor(backbone, network, names).train(backbone.training)


def chosen(network: Network, names: Sequence[str]) -> tuple[Feature, ...]:
    """What is told of the stages and nodes asked for, in this order. Raises `SpecError` `unknown-feature`."""
    known = {info.name: info for info in features_of(network, [*network.stages, *network.nodes]) if info.size is not None}
    for name in names:
        if name not in known:
            raise SpecError([_unknown(name, list(known), network)])
    if not names:
        raise SpecError([_unknown("", list(known), network)])
    return tuple(known[name] for name in names)


def ending_at(network: Network, names: Sequence[str]) -> Network:
    """A network of the stages and nodes named, which read no others; the last of them is what it returns."""
    arch = unplaced(network, lambda part: part)
    last: Part = Read(names[-1], NOWHERE)
    if network.values[names[-1]].y.positions > 1:
        # logits are a vector
        last = Chain((last, Leaf(with_defaults("mean", {}), NOWHERE)), NOWHERE)
    kept = replace(
        arch,
        classes=None,
        stages=tuple(stage for stage in arch.stages if stage.name in names),
        nodes=tuple(value for value in (*arch.nodes, *arch.heads) if value.name in names),
        heads=(Value(_END, last, NOWHERE),),
        logits=Read(_END, NOWHERE),
    )
    found = place(kept, Report(), advise=False)
    assert found is not None
    return found


def _unknown(name: str, known: list[str], network: Network) -> Diagnostic:
    message = f"no stage or node of `{network.name}` is asked for"
    if name:
        message = f"`{network.name}` has no stage or node `{name}` with a map"
    help = (did_you_mean(name, known, "its maps are") if name else None) or f"its maps are {', '.join(known)}"
    return Diagnostic("unknown-feature", message, help=help)


def _kept(level: Level, names: Sequence[str]) -> Level:
    return Level({name: module for name, module in level._modules.items() if name in names and module is not None})


def _grid(x: Tensor, y: FeatureMap) -> Tensor:
    if not y.tokens:
        return x
    assert y.size is not None
    return x[..., y.extra :].unflatten(-1, tuple(y.size))
