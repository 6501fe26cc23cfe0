"""Trained weights in the deploy form."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from torch import nn

from archdsl.components.folding import folded_state
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network, network_leaves
from archdsl.lowering import grow
from archdsl.lowering.checkpoint import Weights, read_weights
from archdsl.lowering.images import Images
from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone, lower
from archdsl.lowering.reading import Layout, Target, Wanted, read
from archdsl.source.diagnostic import SpecError


def fuse(module: Backbone) -> Backbone:
    """A copy of a trained backbone in its deploy form, in evaluation mode: it computes the same with fewer operations.

    Components with branches become those without; the others, the device, the kinds of numbers and what is frozen stay as they
    are. Hooks on components that become others are not kept. The weights are folded in double precision, so that in float32 the
    logits differ by rounding alone.

    Raises
    ------
    TypeError: what is given is no backbone as `build` makes it.
    """
    if not isinstance(module, Backbone):
        raise TypeError(f"`fuse` takes a backbone, not {type(module).__name__}")
    made = copy.deepcopy(module)
    network = module._images.network()
    merged = fused(network)
    replaced = dict(network_leaves(merged))
    for name, leaf in network_leaves(network):
        component = replaced[name].leaf
        if component == leaf.leaf:
            continue
        level, _, last = name.rpartition(".")
        parent, old = made.get_submodule(level), made.get_submodule(name)
        like = next(old.parameters())
        fresh = grow.component(component, leaf.x, name, 0).to(device=like.device, dtype=like.dtype)
        fresh.load_state_dict(folded_state(old))
        _freeze(fresh, old)
        parent._modules[last] = fresh
    made._images = Images(merged)
    return made.eval()


class Folded(NamedTuple):
    """Weights for a network, and the layout they were found in where they were folded; None where they are as they came."""

    weights: Weights
    layout: Layout | None = None


def folded_weights(
    network: Network, weights: Weights, keymap: KeyMap | Path | None, wanted: Wanted, *, seed: int = 0
) -> Folded:
    """Weights for a network: where it is fused and they are of its training form, folded and in archdsl's own layout.

    All others come back as they are. What is folded is float32, the rest of it of the kind of numbers that was given.
    Components that are left out get the initial values of `seed`.

    Raises
    ------
    SpecError: `unreadable-file`, `unreadable-weights`, `out-of-memory`, `weights-mismatch`, or what a key map has wrong with
        it.
    """
    trained = network.training_form
    if trained is None:
        return Folded(weights)
    keymap = read_keymap(keymap) if isinstance(keymap, Path) else keymap
    given = read_weights(weights, warn=wanted.warn)
    target = Target.of_network(trained)
    if not _of_training_form(given, target, Target.of_network(network), keymap):
        return Folded(given)
    reading = read(given, target, keymap, wanted)
    module = lower(trained, seed=seed)
    # what was left out keeps its initial values
    module.load_state_dict({**module.state_dict(), **reading.tensors})
    places = {name: tensor.data_ptr() for name, tensor in module.state_dict().items()}
    folded = folded_state(module)
    # what shares memory with the module was not folded
    kept = {name: reading.tensors.get(name, tensor) for name, tensor in folded.items() if places.get(name) == tensor.data_ptr()}
    return Folded({**folded, **kept}, reading.layout)


def _freeze(fused: nn.Module, old: nn.Module) -> None:
    """What was frozen stays so; what several weights became is frozen where all were that are gone."""
    trained = {name: weight.requires_grad for name, weight in old.named_parameters()}
    names = dict(fused.named_parameters())
    gone = [wanted for name, wanted in trained.items() if name not in names]
    for name, weight in names.items():
        weight.requires_grad_(trained.get(name, any(gone)))


def _of_training_form(given: Iterable[str], trained: Target, deployed: Target, keymap: KeyMap | None) -> bool:
    """Whether some of the names are those of weights that fusing takes away."""
    gone = trained.shapes.keys() - deployed.shapes.keys()
    names = set(gone)
    if keymap is not None:
        # a key map that does not fit is told of when the weights are read
        with suppress(SpecError):
            names |= {entry.official for entry in keymap.entries(trained.shapes) if entry.own in gone}
    return any(name in names for name in given)
