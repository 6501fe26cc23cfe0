"""Which goldens there are, by the specs they are of. Free of torch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from archdsl.schema.units import Size
from archdsl.source.diagnostic import Diagnostic, SpecError
from archdsl.source.record import dataclass

# a regular expression made of characters, classes and groups of them
_PLAIN = re.compile(r"(?:[A-Za-z0-9_.^$?|()-]|\\[.dw]|\[[A-Za-z0-9_-]+\])*")
_PATTERN = 200
_BRANCHES = 8
# beside the folder of the specs
_BESIDE = Path("tests", "golden")
_HELD = {
    "model": str,
    "input_shape": list,
    "keys": list,
    "logits_head": list,
    "logits_std": float,
    "logits_l2": float,
    "tolerance": float,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A golden as its file tells it, without keys and logits; `name` is that of the file.

    It is of images of `size` with so many `channels`, and has the first `logits` of each. `fuse` says that it is of the deploy
    form, `tolerance` how far logits may be from it, in their standard deviations.
    """

    path: Path
    name: str
    model: str
    source: str
    spec: str
    channels: int
    size: Size
    logits: int
    fuse: bool
    tolerance: float


class Goldens:
    """The goldens of a folder, or, without one, of the folder `tests/golden` beside that of each spec. Each is read once.

    Raises
    ------
    SpecError: `unreadable-file`, when the folder is not there, or a file in it says that it is of a spec and is no golden.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._read: dict[Path, Mapping[str, tuple[Stored, ...]]] = {}
        if folder is not None and not folder.is_dir():
            raise _unreadable(folder, "there is no such folder", "name the folder of the goldens")

    def folder(self, spec: Path | None) -> Path | None:
        """The folder for the spec at a path; None where there is none."""
        if self._folder is not None:
            return self._folder
        if spec is None:
            return None
        # where the spec lies, not where a link to it does
        found = Path(os.path.realpath(spec)).parent.parent / _BESIDE
        return found if found.is_dir() else None

    def of(self, name: str, spec: Path | None) -> tuple[Stored, ...]:
        """The goldens of the arch `name`, whose spec lies at a path, by the names of their files."""
        folder = self.folder(spec)
        if folder is None:
            return ()
        if folder not in self._read:
            self._read[folder] = _goldens(folder)
        return self._read[folder].get(name, ())

    def beside(self, names: Collection[str]) -> tuple[Stored, ...]:
        """The goldens of archs of other names, in the folders that were read so far."""
        every = (found for folder in self._read.values() for found in folder.items())
        return tuple(golden for name, goldens in every for golden in goldens if name not in names)


def _goldens(folder: Path) -> Mapping[str, tuple[Stored, ...]]:
    found: dict[str, tuple[Stored, ...]] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stem):
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise _unreadable(path, "it is no JSON", "mend it, or move it elsewhere") from error
        # those of a part alone name no spec
        if isinstance(held, dict) and isinstance(held.get("spec"), str):
            found[held["spec"]] = (*found.get(held["spec"], ()), _stored(path, held))
    return found


def _stored(path: Path, held: Mapping[str, Any]) -> Stored:
    for name, kind in _HELD.items():
        if not isinstance(held.get(name), (kind, int) if kind is float else kind):
            raise _unreadable(path, f"it has no `{name}`", "`archdsl/testing/golden.py` tells what a golden holds")
    shape = held["input_shape"]
    if len(shape) != 4 or not all(isinstance(length, int) and length > 0 for length in shape):
        raise _unreadable(path, "`input_shape` is no batch of images", "write `[2, 3, 224, 224]`")
    if not all(map(_is_key, held["keys"])):
        raise _unreadable(path, "`keys` are no names, shapes and kinds", 'write `["head.bias", [10], "float32"]`')
    kept, scale = held.get("kept", []), held.get("fill_scale_ndim_ge_2", 1)
    if not isinstance(kept, list) or not all(isinstance(name, str) for name in kept):
        raise _unreadable(path, "`kept` are no names", 'write `["head.bias"]`')
    if not _is_finite(scale):
        raise _unreadable(path, "`fill_scale_ndim_ge_2` is no number", "leave it out, or write a number")
    overrides = held.get("fill_overrides", [])
    if not isinstance(overrides, list) or not all(map(_is_override, overrides)):
        help = (
            'write `["\\\\.gamma$", 1, 0.1]`: a regular expression that repeats nothing, and has few alternatives; an offset; '
            "a scale"
        )
        raise _unreadable(path, "`fill_overrides` are no patterns with an offset and a scale", help)
    rows = held["logits_head"]
    lengths = {len(row) if isinstance(row, list) and all(map(_is_finite, row)) else 0 for row in rows}
    if len(rows) != shape[0] or len(lengths) != 1 or 0 in lengths:
        raise _unreadable(path, "`logits_head` has not the first logits of each image", f"give {shape[0]} lists of numbers")
    # what is no number agrees with nothing; an endless tolerance would with everything
    for name in ("logits_std", "logits_l2", "tolerance"):
        if held[name] <= 0 or (name == "tolerance" and not _is_finite(held[name])):
            raise _unreadable(path, f"`{name}` is not above 0", "`archdsl/testing/golden.py` tells what a golden holds")
    source, fuse = str(held.get("source", "")), bool(held.get("fuse"))
    channels, size, logits = shape[1], Size(shape[2], shape[3]), len(rows[0])
    tolerance = float(held["tolerance"])
    return Stored(path, path.stem, held["model"], source, held["spec"], channels, size, logits, fuse, tolerance)


def _is_key(entry: object) -> bool:
    match entry:
        case [str(), [*lengths], "float32" | "float16" | "bfloat16" | "float64" | "int64"]:
            return all(type(length) is int and length >= 0 for length in lengths)
    return False


def _is_override(entry: object) -> bool:
    match entry:
        case [str() as pattern, offset, scale]:
            return _is_finite(offset) and _is_finite(scale) and _is_searched_fast(pattern)
    return False


def _is_searched_fast(pattern: str) -> bool:
    """Whether a regular expression is one, of those that take no time to search for: without repetition, with few branches."""
    branches = pattern.count("?") + pattern.count("|")
    if len(pattern) > _PATTERN or branches > _BRANCHES or "(?" in pattern or not _PLAIN.fullmatch(pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, RecursionError):
        return False
    return True


def _is_finite(number: object) -> bool:
    if type(number) not in (int, float):
        return False
    try:
        return isfinite(number)  # type: ignore[arg-type]
    except OverflowError:
        return False


def _unreadable(path: Path, reason: str, help: str) -> SpecError:
    return SpecError([Diagnostic("unreadable-file", f"`{path.as_posix()}` cannot be read: {reason}", help=help)])
