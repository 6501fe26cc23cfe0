"""Weights from outside and to outside, in the published layout or in archdsl's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from archdsl.ir.network import Network
from archdsl.lowering.atomic import file_at_once
from archdsl.lowering.checkpoint import Weights, read_weights
from archdsl.lowering.fuse import folded_weights
from archdsl.lowering.keymap import Entry, KeyMap
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.module import Backbone, lower
from archdsl.lowering.reading import Layout, Reading, State, Target, Wanted, layout_of, read


@dataclass(frozen=True, slots=True)
class Recognised:
    """The layout that weights are in, and how many tensors of it they hold."""

    layout: Layout
    tensors: int


def recognised(given: State, network: Network, keymap: KeyMap | None) -> Recognised:
    """What weights are for a network, or for the one that it is the deploy form of.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    """
    layout = layout_of(given, Target.of_network(network.training_form or network), keymap)
    names = given if keymap is None or layout == "own" else keymap.without_ignored(given)
    return Recognised(layout, len(names))


def load_weights(
    module: Backbone, weights: Weights, keymap: KeyMap | Path | None = None, wanted: Wanted | None = None
) -> Layout:
    """Put weights into a module, in whichever layout they are, and say which it was. All or none are copied.

    Parameters
    ----------
    weights: a path (`.safetensors`, or a checkpoint of `torch.save`), or a state dict, bare or in the usual wrappers.
    keymap: the official layout, or the file that tells it; None: the own layout alone is understood.

    Raises
    ------
    SpecError: `unreadable-file`, `unreadable-weights`, `out-of-memory`, `weights-mismatch`, or what a key map has wrong with
        it.
    """
    reading = read(weights, Target.of_module(module), _keymap(keymap), wanted or Wanted())
    state = module.state_dict()
    with torch.no_grad():
        for key, tensor in reading.tensors.items():
            state[key].copy_(tensor)
    return reading.layout


def convert_weights(
    network: Network,
    weights: Weights,
    path: Path,
    *,
    layout: Layout,
    keymap: KeyMap | Path | None = None,
    wanted: Wanted | None = None,
) -> tuple[Recognised, int]:
    """Write weights of a network in one of the two layouts, at once or not at all.

    Returns what was read, and the number of tensors that were written.

    The kinds of numbers stay as they are, but weights that are folded for a fused network are float32. What is left out is
    written with the initial values of seed 0.

    Parameters
    ----------
    path: `.safetensors`; any other suffix is written by `torch.save`.

    Raises
    ------
    SpecError: as `load_weights` does.
    ValueError: when the official layout is asked for without a key map.
    OSError: when the file cannot be written.
    """
    keymap, wanted = _keymap(keymap), wanted or Wanted()
    target = Target.of_network(network)
    given = read_weights(weights, warn=wanted.warn)
    found = recognised(given, network, keymap)
    reading = read(folded_weights(network, given, keymap, wanted).weights, target, keymap, wanted)
    state = _in_layout(_complete(reading, target, network), layout, keymap)
    _write(state, path)
    return found, len(state)


def save_weights(module: Backbone, path: Path, *, layout: Layout = "own", keymap: KeyMap | Path | None = None) -> None:
    """Write the weights of a module, as safetensors unless the path ends otherwise, at once or not at all.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    ValueError: when the official layout is asked for without a key map.
    """
    _write(_in_layout(module.state_dict(), layout, _keymap(keymap)), path)


def official_state(state: State, keymap: KeyMap | Path) -> dict[str, Tensor]:
    """The tensors of a state_dict by their official names, in their official shapes.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    """
    keymap = read_keymap(keymap) if isinstance(keymap, Path) else keymap
    entries = keymap.entries({key: tensor.shape for key, tensor in state.items()})
    return {entry.official: _part(state[entry.own], entry).reshape(entry.shape) for entry in entries if entry.written}


def _part(tensor: Tensor, entry: Entry) -> Tensor:
    """The own tensor that an entry is about, or its piece; it shares memory with the whole."""
    if entry.piece is None:
        return tensor
    length = entry.own_shape[0]
    return tensor[entry.piece.index * length : (entry.piece.index + 1) * length]


def _complete(reading: Reading, target: Target, network: Network) -> dict[str, Tensor]:
    """The tensors in the order of the state_dict, with initial values where components were left out."""
    initial: Mapping[str, Tensor] = {}
    if reading.tensors.keys() != target.shapes.keys():
        initial = lower(network).state_dict()
    return {key: reading.tensors[key] if key in reading.tensors else initial[key] for key in target.shapes}


def _in_layout(state: State, layout: Layout, keymap: KeyMap | None) -> State:
    if layout == "own":
        return state
    if keymap is None:
        raise ValueError("the official layout needs a key map")
    return official_state(state, keymap)


def _write(state: State, path: Path) -> None:
    from safetensors.torch import save_file

    # what shares memory or lies in another order is written out plainly; the numbers stay the same
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with file_at_once(path) as draft:
        if path.suffix == ".safetensors":
            # one entry: safetensors writes several in an order of chance, and equal weights should make equal files
            save_file(tensors, draft, metadata={"format": "pt"})
        else:
            torch.save(tensors, draft)


def _keymap(keymap: KeyMap | Path | None) -> KeyMap | None:
    return read_keymap(keymap) if isinstance(keymap, Path) else keymap
