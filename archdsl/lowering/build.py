"""The module of a network, ready to be used."""

from __future__ import annotations

from pathlib import Path

from archdsl.ir.network import Network
from archdsl.kernels.choice import Use
from archdsl.lowering.checkpoint import Weights
from archdsl.lowering.dispatch import choose
from archdsl.lowering.fuse import folded_weights
from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.module import Backbone, lower
from archdsl.lowering.reading import Wanted
from archdsl.lowering.weights import load_weights


def build_module(
    network: Network,
    *,
    weights: Weights | None = None,
    seed: int = 0,
    keymap: KeyMap | Path | None = None,
    wanted: Wanted | None = None,
    kernels: bool = True,
) -> Backbone:
    """The eager module of a network, in evaluation mode, float32, on the CPU.

    Parameters
    ----------
    weights: a path or a state dict, in the own layout or, with a `keymap`, in the official one. None: initial weights.
        For a fused network in its own form, or in that of training, which is folded.
    seed: of the initial weights.
    wanted: what may differ between the weights and the network, and who is told of it.
    kernels: components that have a kernel run it where they can; else their references everywhere.

    Raises
    ------
    SpecError: as `lower` and `load_weights` do.
    """
    module = lower(network, seed=seed)
    if weights is not None:
        wanted = wanted or Wanted()
        load_weights(module, folded_weights(network, weights, keymap, wanted, seed=seed).weights, keymap, wanted)
    if not kernels:
        choose(module, Use.REFERENCE)
    return module.eval()
