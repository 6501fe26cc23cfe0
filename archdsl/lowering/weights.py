"""Weights from outside and to outside, in the published layout or in archdsl's own."""

from __future__ import annotations

import argparse
import os
import pickle
import stat
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NoReturn, TypeAlias

import torch
from torch import Tensor

from archdsl.lowering.atomic import file_at_once
from archdsl.lowering.keymap import KeyMap, read_keymap
from archdsl.lowering.module import Backbone
from archdsl.source.diagnostic import Diagnostic, Note, SpecError

Layout: TypeAlias = Literal["own", "official"]
State: TypeAlias = Mapping[str, Tensor]
Weights: TypeAlias = "str | os.PathLike[str] | Mapping[str, object]"

_WRAPPERS = ("state_dict", "model", "model_state_dict", "module")
_PREFIXES = ("module.", "_orig_mod.")
_NESTING = 4
_SHOWN = 10


def load_weights(module: Backbone, weights: Weights, keymap: KeyMap | Path | None = None) -> Layout:
    """Put weights into a module, in whichever layout they are, and say which it was. All or none are copied.

    Parameters
    ----------
    weights: a path (`.safetensors`, or a checkpoint of `torch.save`), or a state dict, bare or in the usual wrappers.
    keymap: the official layout, or the file that tells it; None: the own layout alone is understood.

    Raises
    ------
    SpecError: `unreadable-file`, `unreadable-weights`, `weights-mismatch`, or what a key map has wrong with it.
    """
    given = read_weights(weights)
    state = module.state_dict()
    layout, names = _layout(given, state, keymap)
    wanted = {names[key]: key for key in state}
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    misshapen = [name for name in wanted if name in given and not _alike(given[name], state[wanted[name]])]
    if missing or unexpected or misshapen:
        facts = {name: (given[name], state[wanted[name]]) for name in misshapen}
        raise SpecError([_mismatch(module, layout, missing, unexpected, facts, {wanted[name] for name in misshapen})])
    with torch.no_grad():
        for name, key in wanted.items():
            state[key].copy_(given[name])
    return layout


def save_weights(module: Backbone, path: Path, *, layout: Layout = "own", keymap: KeyMap | Path | None = None) -> None:
    """Write the weights of a module as safetensors, at once or not at all.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    ValueError: when the official layout is asked for without a key map.
    """
    from safetensors.torch import save_file

    state = module.state_dict()
    names = {key: key for key in state}
    if layout == "official":
        if keymap is None:
            raise ValueError("the official layout needs a key map")
        names = _keymap(keymap).official_names(state)
    # what shares memory or lies in another order is written out plainly; the numbers stay the same
    tensors = {names[key]: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    with file_at_once(path) as draft:
        # one entry: safetensors writes several in an order of chance, and equal weights should make equal files
        save_file(tensors, draft, metadata={"format": "pt"})


def read_weights(weights: Weights) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, with wrappers and the prefixes of wrapping modules taken off.

    Raises
    ------
    SpecError: `unreadable-file` or `unreadable-weights`. Nothing in a file is run.
    """
    if isinstance(weights, Mapping):
        return _unwrapped(weights, "the state dict")
    path = Path(weights)
    _check_file(path)
    shown = f"`{path.as_posix()}`"
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return _unwrapped(load_file(path), shown)
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            # training scripts keep their arguments beside the weights; a namespace is harmless data
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except SpecError:
        raise
    except pickle.UnpicklingError:
        _unreadable(
            f"{shown} holds more than tensors, and loading it could run code", "save its state dict alone, or as safetensors"
        )
    except Exception as error:
        # a damaged file can fail in any way; the text of the error may be part of the file
        _unreadable(f"{shown} is no checkpoint: reading it ended in {type(error).__name__}", "is the file complete?")
    if not isinstance(found, Mapping):
        _unreadable(f"{shown} holds no state dict but {type(found).__name__}", "save the state dict of the module")
    return _unwrapped(found, shown)


def _check_file(path: Path) -> None:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        reason = "" if regular else "no regular file"
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "not a path").lower()
    if reason:
        message = f"`{path.as_posix()}` cannot be read: {reason}"
        raise SpecError([Diagnostic("unreadable-file", message, help="check the path of the weights")])


def _unwrapped(found: Mapping[object, object], shown: str) -> dict[str, Tensor]:
    for _ in range(_NESTING):
        inner = next((found[word] for word in _WRAPPERS if isinstance(found.get(word), Mapping)), None)
        if inner is None:
            break
        found = inner  # type: ignore[assignment]
    state: dict[str, Tensor] = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
            what = f"`{key}` is {type(value).__name__}" if isinstance(key, str) else "a name is no text"
            _unreadable(
                f"{shown} is no state dict of plain tensors: {what}",
                "give the state dict alone, or under `model` or `state_dict`",
            )
        state[key] = value
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _layout(given: State, state: State, keymap: KeyMap | Path | None) -> tuple[Layout, dict[str, str]]:
    """The layout whose names most of the given ones are, and the name of each own one in it."""
    own = {key: key for key in state}
    ours = sum(key in own for key in given)
    if keymap is None or ours == len(state):
        return "own", own
    try:
        official = _keymap(keymap).official_names(state)
    except SpecError:
        # a key map that does not fit this arch does not matter to weights in the own layout
        if ours:
            return "own", own
        raise
    theirs = set(official.values())
    return ("official", official) if sum(key in theirs for key in given) >= ours else ("own", own)


def _keymap(keymap: KeyMap | Path) -> KeyMap:
    return keymap if isinstance(keymap, KeyMap) else read_keymap(keymap)


def _alike(given: Tensor, own: Tensor) -> bool:
    return given.shape == own.shape and given.is_floating_point() == own.is_floating_point()


def _mismatch(
    module: Backbone,
    layout: Layout,
    missing: list[str],
    unexpected: list[str],
    misshapen: Mapping[str, tuple[Tensor, Tensor]],
    misshapen_keys: set[str],
) -> Diagnostic:
    shapes = [f"{name} is {_shape(given)}, not {_shape(own)}" for name, (given, own) in misshapen.items()]
    groups = (("missing", missing), ("unexpected", unexpected), ("misshapen", shapes))
    notes = [Note(f"{len(names)} {word}: {_listed(names)}") for word, names in groups if names]
    help = "are they the weights of another arch, or of other settings of this one?"
    classifier = {f"{'.'.join(path)}.{part}" for path in module.classifiers for part in ("weight", "bias")}
    if misshapen and misshapen_keys <= classifier and not missing and not unexpected:
        classes = next(iter(misshapen.values()))[0].shape[0]
        help = (
            f"they are for {classes} classes, the module is for {module.num_classes}: "
            f"build it for {classes} classes, then call `reset_classifier({module.num_classes})`"
        )
    return Diagnostic(
        "weights-mismatch",
        f"the weights do not fit `{module.name}`, read in the {layout} layout",
        notes=tuple(notes),
        help=help,
    )


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" ... {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(_short(name) for name in every[:_SHOWN]) + more


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:60]}...{name[-30:]}"


def _shape(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "one number"
    return shape if tensor.is_floating_point() else f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"


def _unreadable(message: str, help: str) -> NoReturn:
    raise SpecError([Diagnostic("unreadable-weights", message, help=help)])
