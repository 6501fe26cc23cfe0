"""The module of a network, ready to be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from archdsl.ir.network import Network
from archdsl.lowering.checkpoint import Weights, warn_of_weights
from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.module import Backbone, lower
from archdsl.lowering.weights import load_weights


def build_module(
    network: Network,
    *,
    weights: Weights | None = None,
    seed: int = 0,
    keymap: KeyMap | Path | None = None,
    warn: Callable[[str], None] = warn_of_weights,
) -> Backbone:
    """The eager module of a network, in evaluation mode, float32, on the CPU.

    Parameters
    ----------
    weights: a path or a state dict, in the own layout or, with a `keymap`, in the official one. None: initial weights.
    seed: of the initial weights.
    warn: told what `load_weights` warns of; a `WeightsWarning` by default.

    Raises
    ------
    SpecError: as `lower` and `load_weights` do.
    """
    module = lower(network, seed=seed)
    if weights is not None:
        load_weights(module, weights, keymap, warn=warn)
    return module.eval()
