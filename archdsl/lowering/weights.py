"""Weights from outside and to outside, in the published layout or in archdsl's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from archdsl.lowering.atomic import file_at_once
from archdsl.lowering.axes import same_order
from archdsl.lowering.checkpoint import Weights, read_weights, refuse_not_finite, warn_of_weights
from archdsl.lowering.keymap import COUNTER, Entry, KeyMap
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.mismatch import mismatch
from archdsl.lowering.module import Backbone
from archdsl.source.diagnostic import SpecError

Layout: TypeAlias = Literal["own", "official"]
State: TypeAlias = Mapping[str, Tensor]


def load_weights(
    module: Backbone, weights: Weights, keymap: KeyMap | Path | None = None, *, warn: Callable[[str], None] = warn_of_weights
) -> Layout:
    """Put weights into a module, in whichever layout they are, and say which it was. All or none are copied.

    Parameters
    ----------
    weights: a path (`.safetensors`, or a checkpoint of `torch.save`), or a state dict, bare or in the usual wrappers.
    keymap: the official layout, or the file that tells it; None: the own layout alone is understood.
    warn: told of other weights in the same checkpoint, such as those of a moving average. A `WeightsWarning` by default.

    Raises
    ------
    SpecError: `unreadable-file`, `unreadable-weights`, `weights-mismatch`, or what a key map has wrong with it.
    """
    given = read_weights(weights, warn=warn)
    state = module.state_dict()
    keymap = read_keymap(keymap) if isinstance(keymap, Path) else keymap
    layout, entries = _layout(given, state, keymap)
    if layout == "official" and keymap is not None:
        given = {name: given[name] for name in keymap.without_ignored(given)}
    wanted = {entry.official: entry for entry in entries}
    parts = {entry.official: part_of(state[entry.own], entry) for entry in entries}
    missing = [name for name in wanted if name not in given and name.rpartition(".")[2] != COUNTER]
    unexpected = [name for name in given if name not in wanted]
    misshapen = [name for name in wanted if name in given and not _alike(given[name], parts[name], layout)]
    if missing or unexpected or misshapen:
        own = "as no key map is known for this arch" if keymap is None else "which has more of its names than the key map"
        told = {
            "own": f"archdsl's own layout, {own}",
            "official": "the official layout, as the key map has more of its names than the state_dict",
        }
        raise SpecError([mismatch(module, told[layout], given, wanted, parts, misshapen)])
    refuse_not_finite(given)
    with torch.no_grad():
        for name, part in parts.items():
            if name in given:
                part.copy_(given[name].reshape(part.shape))
            else:
                # a counter of batches, which old and converted checkpoints do not have
                part.zero_()
    return layout


def save_weights(module: Backbone, path: Path, *, layout: Layout = "own", keymap: KeyMap | Path | None = None) -> None:
    """Write the weights of a module as safetensors, at once or not at all.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    ValueError: when the official layout is asked for without a key map.
    """
    from safetensors.torch import save_file

    state: State = module.state_dict()
    if layout == "official":
        if keymap is None:
            raise ValueError("the official layout needs a key map")
        state = official_state(state, keymap)
    # what shares memory or lies in another order is written out plainly; the numbers stay the same
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with file_at_once(path) as draft:
        # one entry: safetensors writes several in an order of chance, and equal weights should make equal files
        save_file(tensors, draft, metadata={"format": "pt"})


def official_state(state: State, keymap: KeyMap | Path) -> dict[str, Tensor]:
    """The tensors of a state_dict by their official names, in their official shapes.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    """
    keymap = read_keymap(keymap) if isinstance(keymap, Path) else keymap
    entries = keymap.entries({key: tensor.shape for key, tensor in state.items()})
    return {e.official: part_of(state[e.own], e).reshape(e.shape) for e in entries if e.written}


def part_of(tensor: Tensor, entry: Entry) -> Tensor:
    """The own tensor that an entry is about, or its piece; it shares memory with the whole."""
    if entry.piece is None:
        return tensor
    length = entry.own_shape[0]
    return tensor[entry.piece.index * length : (entry.piece.index + 1) * length]


def _layout(given: State, state: State, keymap: KeyMap | None) -> tuple[Layout, list[Entry]]:
    """The layout whose names most of the given ones are, and its tensors."""
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    own = [Entry(key, key, None, shape, shape) for key, shape in shapes.items()]
    ours = sum(key in shapes for key in given)
    if keymap is None or ours == len(state):
        return "own", own
    try:
        official = keymap.entries(shapes)
    except SpecError:
        # a key map that does not fit this arch does not matter to weights in the own layout
        if ours:
            return "own", own
        raise
    theirs = {entry.official for entry in official}
    return ("official", official) if sum(key in theirs for key in given) >= ours else ("own", own)


def _alike(given: Tensor, own: Tensor, layout: Layout) -> bool:
    same = given.shape == own.shape or (layout == "official" and same_order(given.shape, own.shape))
    return same and given.is_floating_point() == own.is_floating_point()
