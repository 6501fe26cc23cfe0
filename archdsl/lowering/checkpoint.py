"""Checkpoints read from files and taken out of their wrappers. Nothing in a file is run."""

from __future__ import annotations

import argparse
import inspect
import os
import pickle
import stat
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, TypeAlias

import torch
from torch import Tensor

from archdsl.source.cells import safe_line
from archdsl.source.diagnostic import Diagnostic, SpecError

Weights: TypeAlias = "str | os.PathLike[str] | Mapping[str, object]"

_PACKAGE = __name__.partition(".")[0]
_WRAPPERS = ("state_dict", "model", "model_state_dict", "module")
_PREFIXES = ("module.", "_orig_mod.")
_NESTING = 4
_SHOWN = 3
# two numbers in a byte, which no arithmetic reads; not every torch has it
_PACKED = frozenset(filter(None, [getattr(torch, "float4_e2m1fn_x2", None)]))
# how files of torch.save begin: a zip archive, or a pickle
_BEGINNINGS = (b"PK\x03\x04", b"\x80")


class WeightsWarning(UserWarning):
    """Weights were loaded, and the checkpoint holds more than them."""


def warn_of_weights(text: str) -> None:
    """Warn as Python does, at the line outside this package that asked for the weights."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, WeightsWarning, stacklevel=level)


def read_weights(weights: Weights, *, warn: Callable[[str], None] = warn_of_weights) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, with wrappers and the prefixes of wrapping modules taken off.

    Raises
    ------
    SpecError: `unreadable-file`, `unreadable-weights` or `out-of-memory`. Nothing in a file is run.
    """
    if isinstance(weights, Mapping):
        return _unwrapped(weights, "the state dict", warn)
    path = Path(weights)
    _check_file(path)
    shown = f"`{path.as_posix()}`"
    try:
        if path.suffix != ".safetensors" and not _begins_like_one(path):
            _unreadable(f"{shown} is no checkpoint", "give what `torch.save` wrote (.pth, .pt), or safetensors")
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return _unwrapped(load_file(path), shown, warn)
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            # training scripts keep their arguments beside the weights; a namespace is harmless data
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except SpecError:
        raise
    except OSError as error:
        raise _unreadable_file(path, error.strerror or "the system does not say why") from error
    except Exception as error:
        # torch has no class of its own for memory that the machine does not have
        if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
            help = "read it on a machine with more memory, or save the weights alone, without those of an optimizer"
            raise SpecError([Diagnostic("out-of-memory", f"{shown} takes more memory than is free", help=help)]) from error
        # a damaged file can fail in any way; the text of the error may be part of the file
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            _unreadable(
                f"{shown} holds more than tensors, and loading it could run code",
                "save its state dict alone, or as safetensors",
            )
        _unreadable(f"{shown} is no checkpoint, or a damaged one", "give what `torch.save` wrote (.pth, .pt), or safetensors")
    if not isinstance(found, Mapping):
        _unreadable(f"{shown} holds no state dict but {type(found).__name__}", "save the state dict of the module")
    return _unwrapped(found, shown, warn)


def refuse_not_finite(given: Mapping[str, Tensor]) -> None:
    """Refuse weights that a training left behind which diverged. Raises `SpecError` `unreadable-weights`."""
    found = []
    for name, tensor in given.items():
        # kinds of one byte are for keeping numbers, hardly for looking at them
        numbers = tensor.float() if tensor.is_floating_point() and tensor.itemsize == 1 else tensor
        if tensor.is_floating_point() and (count := int((~torch.isfinite(numbers)).sum())):
            found.append(f"{name} in {count} of {tensor.numel()}")
    if found:
        more = f" ... {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        listed = ", ".join(found[:_SHOWN]) + more
        _unreadable(
            f"the weights are not finite: {listed} numbers are infinite or no number",
            "a training that diverged leaves such weights: take an earlier checkpoint",
        )


def _check_file(path: Path) -> None:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        reason = "" if regular else "no regular file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
    if reason:
        raise _unreadable_file(path, reason)


def _unreadable_file(path: Path, reason: str) -> SpecError:
    message = f"`{path.as_posix()}` cannot be read: {reason.lower()}"
    return SpecError([Diagnostic("unreadable-file", message, help="check the path of the weights")])


def _begins_like_one(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(512)
    return begin.startswith(_BEGINNINGS) or begin[257:262] == b"ustar"


def _unwrapped(found: Mapping[object, object], shown: str, warn: Callable[[str], None]) -> dict[str, Tensor]:
    for _ in range(_NESTING):
        word = next((word for word in _WRAPPERS if isinstance(found.get(word), Mapping)), None)
        if word is None:
            break
        others = [key for key, value in found.items() if key != word and isinstance(key, str) and _holds_tensors(value)]
        if others:
            left = ", ".join(f"`{safe_line(key[:100])}`" for key in others[:_SHOWN])
            warn(f"{shown} holds several sets of weights: `{word}` is taken, {left} left aside")
        found = found[word]  # type: ignore[assignment]
    state: dict[str, Tensor] = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or not _is_plain(value):
            kind = "sparse, nested, packed or without numbers" if isinstance(value, Tensor) else type(value).__name__
            what = f"`{safe_line(key[:100])}` is {kind}" if isinstance(key, str) else "a name is no text"
            _unreadable(
                f"{shown} is no state dict of plain tensors: {what}",
                "give the state dict alone, or under `model` or `state_dict`",
            )
        state[key] = value
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_nested and tensor.dtype not in _PACKED


def _holds_tensors(value: object, nesting: int = _NESTING) -> bool:
    """Whether this is a state dict, or a wrapped one. What is wrapped deeper is none: it may hold itself."""
    if not isinstance(value, Mapping) or not nesting:
        return False
    held = any(isinstance(inner, Tensor) for inner in value.values())
    return held or any(_holds_tensors(value.get(word), nesting - 1) for word in _WRAPPERS)


def _unreadable(message: str, help: str) -> NoReturn:
    raise SpecError([Diagnostic("unreadable-weights", message, help=help)])
