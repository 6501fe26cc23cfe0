"""A network made into one plain torch module."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from archdsl.arguments import whole
from archdsl.ir import part as parts
from archdsl.ir.network import Network, Placed, PlacedStage, decayed, undecayed
from archdsl.lowering import grow
from archdsl.lowering.classifier import classifier
from archdsl.lowering.features import Feature, feature_info
from archdsl.lowering.images import Images
from archdsl.lowering.level import Level, escape_level, run, set_recompute
from archdsl.lowering.memory import refuse_beyond_memory, weight_bytes
from archdsl.lowering.places import Places
from archdsl.lowering.plan import module_path, plans, wanted_values
from archdsl.lowering.steps import Chain, Enter

Features = Tensor | dict[str, Tensor]


class Backbone(nn.Module):
    """A backbone: images [B, C, H, W] to logits [B, classes].

    In training with several heads it returns the outputs of all heads by name; in evaluation always the logits.
    Made by `lower`. `image` is the map that the spec was written for; the batch is open. `preprocess` is what images go
    through before, where the spec says it. `feature_info` tells the stages.
    """

    def __init__(self, network: Network, seed: int) -> None:
        super().__init__()
        self.name = network.name
        self.image = network.image
        self.preprocess = network.preprocess
        self._images = Images(network)
        self.num_classes = network.classes
        self.feature_info: tuple[Feature, ...] = feature_info(network)
        self.heads = network.heads
        if network.stem is not None:
            self.stem = grow.level(network.stem, "stem", seed)
        grown = {name: _grown(network, name, seed) for name in network.values}
        self.stages = Level({name: grown[name] for name in network.stages})
        if network.nodes:
            self.nodes = Level({name: grown[name] for name in network.nodes})
        if len(network.heads) == 1:
            self.head = grown[network.heads[0]]
        else:
            self.head = Level({name: grown[name] for name in network.heads})
        output = network.logits.part
        self._output = output.value if isinstance(output, parts.Read) else None
        if self._output is None:
            self.logits = grow.level(network.logits, "logits", seed)
        self._plans = {training: plans(network, wanted_values(network, training=training)) for training in (False, True)}
        self._decayed, self._undecayed = decayed(network), undecayed(network)
        self.places = Places.of(network)
        self._classifiers = {name: classifier(network, name) for name in network.heads}

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """Logits [B, classes] of images [B, C, H, W]; in training with several heads their outputs by name.

        H and W are those of the spec, `image`, or any others that all its components take.

        Raises
        ------
        ValueError, TypeError: images that a component refuses. A compiled or exported program does not look.
        """
        if not torch.compiler.is_compiling():
            self._images.check(images, self)
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Features:
        """What the heads read: a batch of maps, or several by the names of the values they are."""
        before, _ = self._plans[self.training]
        values = {"": self.stem(images) if "stem" in self._modules else images}
        run(self, before, values)
        return values[before.left[0]] if len(before.left) == 1 else {name: values[name] for name in before.left}

    def forward_head(self, features: Features) -> Tensor | dict[str, Tensor]:
        """The output from what `forward_features` returns."""
        before, heads = self._plans[self.training]
        values = dict(features) if isinstance(features, dict) else {before.left[0]: features}
        run(self, heads, values)
        if self.training:
            return values[self.heads[0]] if len(self.heads) == 1 else {name: values[name] for name in self.heads}
        if self._output is not None:
            return values[self._output]
        logits: Tensor = self.logits(values[heads.left[0]], values)
        return logits

    def reset_classifier(self, classes: int, *, seed: int = 0) -> None:
        """Replace the last linear of each head by a fresh one for another number of classes; 0 leaves what it would read.

        Raises
        ------
        ValueError: when a head does not end in a `linear`, or the number is negative. Nothing is changed then.
        TypeError: when `classes` or `seed` is no whole number.
        """
        classes, seed = whole(classes, "classes"), whole(seed, "seed")
        if classes < 0:
            raise ValueError(f"the number of classes is 0 or more, not {classes}")
        for name, found in self._classifiers.items():
            if found is None:
                raise ValueError(f"head `{name}` of `{self.name}` does not end in a `linear`: it has no classifier to replace")
        for found in self._classifiers.values():
            assert found is not None
            level = self.get_submodule(".".join(found.path[:-1]))
            last = found.path[-1]
            fresh: nn.Module = nn.Identity()
            if classes:
                spec = replace(found.spec, out=classes)  # type: ignore[call-arg]
                fresh = grow.component(spec, found.x, ".".join(found.path), seed)
                like = next(level.get_submodule(last).parameters(), None)
                like = next(self.parameters(), torch.empty(0)) if like is None else like
                fresh = fresh.to(device=like.device, dtype=like.dtype)
            level._modules[last] = fresh.train(self.training)
        self.num_classes = classes

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Keep of each block only what it reads, and compute the rest again in the backward pass: less memory, more time."""
        set_recompute(self, enable)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that are published to be trained without weight decay, as optimizers of timm ask for them.

        These are biases, all parameters of one axis (norms, scales), and what the papers name beside, such as position tables;
        without those of one axis that a paper trains with decay.
        """
        small = {name for name, value in self.named_parameters() if value.ndim <= 1}
        return {name for name, _ in self.named_parameters() if name in (small - self._decayed) | self._undecayed}


def lower(network: Network, *, seed: int = 0) -> Backbone:
    """Make the module of a network: float32, on the CPU, in training mode, with initial weights.

    Every component draws its weights from a seed made of `seed` and its name in the state_dict: the same network and seed
    give the same bits, and a change in one place leaves the other weights alone. The caller's random state is not touched.

    Raises
    ------
    SpecError: `out-of-memory`, when the weights alone take more than there is; `reserved-label`, when a part is called like an
        attribute of torch's modules; `broken-plugin`, when a component's module cannot be made, or is not what its spec
        promises.
    """
    refuse_beyond_memory(network, weight_bytes(network), "make")
    return Backbone(network, seed)


def escape(module: Backbone) -> None:
    """Rename the levels of a backbone whose names are keywords of Python, as generated code needs it. For export."""
    for level in list(module.modules()):
        if isinstance(level, Level):
            escape_level(level)
    module._plans = {training: (one.escaped(), two.escaped()) for training, (one, two) in module._plans.items()}


def _grown(network: Network, name: str, seed: int) -> Level:
    """The module of a stage, a node or a head."""
    value = network.values[name]
    key = ".".join(module_path(network, name))
    if isinstance(value, Placed):
        return grow.level(value, key, seed)
    return _stage(value, key, seed)


def _stage(stage: PlacedStage, key: str, seed: int) -> Level:
    children: dict[str, nn.Module] = {}
    for name, placed in (("from", stage.source), ("down", stage.down)):
        if placed is not None:
            children[name] = grow.level(placed, f"{key}.{name}", seed)
    for index, (block, rate) in enumerate(zip(stage.blocks, stage.drop_rates, strict=True)):
        children[str(index)] = grow.block(block, f"{key}.{index}", rate, seed)
    if stage.tail is not None:
        children["tail"] = grow.level(stage.tail, f"{key}.tail", seed)
    return Level(children, Chain(tuple(Enter(name) for name in children)))
