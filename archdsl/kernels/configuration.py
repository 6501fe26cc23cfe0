"""How a kernel is launched: tables that each component keeps, for architectures, number formats and shapes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor

from archdsl.kernels.interpreter import INTERPRETED

_ANY = "any"
# numbers that are tried in place of those of the tables, and who listens to what is asked
_TRIED: dict[Asked, Mapping[str, int]] = {}
_HEARD: list[dict[Asked, Mapping[str, int]]] = []


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table: how to launch `kernel` where architecture, number format and shape are those, or the nearest.

    `use` are the numbers that the kernel is launched with, `num_warps` and `num_stages` among them. `measured` names the GPU
    that they were found on by `archdsl bench --tune`; None: chosen by thought, not measured.
    """

    kernel: str
    architecture: int
    dtype: str
    shape: Mapping[str, int]
    use: Mapping[str, int]
    measured: str | None


def configuration(table: Path, kernel: str, like: Tensor, **shape: int) -> dict[str, int]:
    """The launch numbers of a kernel for tensors such as `like` and a shape, from a table.

    Of the entries of the kernel those of the greatest architecture that is not above this one are looked at, of these those of
    the number format, where there are any, and of these the one whose shape is nearest, by the sum of the logarithms of ratios.

    Raises
    ------
    LookupError: the table has no entry for the kernel.
    """
    asked = Asked(table, kernel, architecture(), str(like.dtype).removeprefix("torch."), tuple(sorted(shape.items())))
    use = _TRIED.get(asked) or _found(asked.table, asked.kernel, asked.architecture, asked.dtype, asked.shape)
    for heard in _HEARD:
        heard[asked] = use
    return dict(use)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a launcher asks a table for."""

    table: Path
    kernel: str
    architecture: int
    dtype: str
    shape: tuple[tuple[str, int], ...]


@contextmanager
def tried(uses: Mapping[Asked, Mapping[str, int]]) -> Iterator[dict[Asked, Mapping[str, int]]]:
    """Other launch numbers than those of the tables while it lasts; yields what is asked for meanwhile, and what it gets."""
    heard: dict[Asked, Mapping[str, int]] = {}
    before = dict(_TRIED)
    _TRIED.update(uses)
    _HEARD.append(heard)
    try:
        yield heard
    finally:
        # by identity: two that heard the same are equal
        del _HEARD[next(at for at, one in enumerate(_HEARD) if one is heard)]
        _TRIED.clear()
        _TRIED.update(before)


@cache
def _found(table: Path, kernel: str, here: int, dtype: str, shape: tuple[tuple[str, int], ...]) -> Mapping[str, int]:
    entries = [entry for entry in read_table(table) if entry.kernel == kernel]
    if not entries:
        raise LookupError(f"{table.name} has no entry for `{kernel}`")
    within = [entry.architecture for entry in entries if entry.architecture <= here]
    of = max(within) if within else min(entry.architecture for entry in entries)
    entries = [entry for entry in entries if entry.architecture == of]
    entries = [entry for entry in entries if entry.dtype == dtype] or [e for e in entries if e.dtype == _ANY] or entries

    def distance(entry: Entry) -> float:
        return sum(abs(math.log(size / entry.shape[axis])) for axis, size in shape if axis in entry.shape)

    return min(entries, key=distance).use


@cache
def read_table(table: Path) -> tuple[Entry, ...]:
    """The entries of a table."""
    return tuple(Entry(**entry) for entry in json.loads(table.read_text(encoding="utf-8")))


def architecture() -> int:
    """The compute capability that is launched for, times ten: 80, 90. In the interpreter 80."""
    if INTERPRETED:
        return 80
    from triton.runtime import driver

    return int(driver.active.get_current_target().arch)
