"""Launch numbers found by trying: those around an entry of a table, as long as one of them is faster."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archdsl.bench.settings import Settings
from archdsl.bench.timing import Clock, Work, clock_of, interleaved, quantile
from archdsl.kernels.configuration import Asked, Entry, read_table, tried
from archdsl.kernels.operator import Operator
from archdsl.kernels.sample import Sample
from archdsl.lowering.atomic import file_at_once

Use = Mapping[str, int]
Faster = Callable[[Use, Use], bool]

# what is not clearly faster is not taken
_FASTER = 0.98
_MOST_TRIED = 32
_WARPS, _STAGES, _TILE = (1, 16), (1, 5), (16, 256)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The winners, the table that they belong to, and how many launch numbers were tried."""

    table: Path | None
    entries: tuple[Entry, ...]
    tries: int


def tune(operator: Operator, settings: Settings, samples: Sequence[Sample] | None = None) -> Tuned:
    """Find launch numbers for the kernels of an operator at its published shapes, or at some, on the GPU that is there.

    Each kernel is tuned on its own, by the time of the pass that it is part of. Numbers that the GPU refuses, or that change a
    result by more than roundings, are out.
    """
    clock = clock_of(settings.device)
    measured = f"{torch.cuda.get_device_name(settings.device)}, {datetime.date.today().isoformat()}"
    entries: dict[Asked, Entry] = {}
    tries = 0
    for sample in operator.samples().PUBLISHED if samples is None else samples:
        arguments = operator.samples().draw(
            sample, settings.batch, dtype=settings.dtype, device=settings.device, seed=settings.seed
        )
        for run in _passes(operator, tuple(arguments)):
            with tried({}) as heard:
                run()
            for asked, use in heard.items():
                if asked in entries:
                    continue
                settings.step(f"tuning {asked.kernel} at {sample}")
                best, count = climbed(use, _trial(run, asked, clock, settings))
                tries += count
                entries[asked] = Entry(asked.kernel, asked.architecture, asked.dtype, dict(asked.shape), dict(best), measured)
    table = next((asked.table for asked in entries), None)
    return Tuned(table, tuple(entries.values()), tries)


def climbed(start: Use, faster: Faster, most: int = _MOST_TRIED) -> tuple[Use, int]:
    """The numbers that are reached by taking what is faster, one number changed at a time; and how many were tried.

    `faster(candidate, best)` says whether the candidate is valid and faster.
    """
    best, seen = dict(start), [dict(start)]
    while True:
        for candidate in neighbours(best):
            if candidate in seen or len(seen) > most:
                continue
            seen.append(candidate)
            if faster(candidate, best):
                best = candidate
                break
        else:
            return best, len(seen) - 1


def neighbours(use: Use) -> list[dict[str, int]]:
    """Launch numbers that differ from some in one of them: half or double of warps and tiles, a stage more or less."""
    found = []
    for name, value in use.items():
        if name == "num_stages":
            values, (low, high) = (value - 1, value + 1), _STAGES
        else:
            values, (low, high) = (value // 2, value * 2), _WARPS if name == "num_warps" else _TILE
            if value & (value - 1) or value < low:
                # no side of a tile
                continue
        found += [{**use, name: other} for other in values if low <= other <= high]
    return found


def merged(entries: Iterable[Entry], winners: Iterable[Entry]) -> list[Entry]:
    """Entries of a table with the winners in their places, and those that are new at the end."""
    fresh = {_place(winner): winner for winner in winners}
    kept = [fresh.pop(_place(entry), entry) for entry in entries]
    return [*kept, *fresh.values()]


def table_text(entries: Iterable[Entry]) -> str:
    """A table as components keep it: an entry a line."""
    return "[\n" + ",\n".join(f"  {json.dumps(asdict(entry))}" for entry in entries) + "\n]\n"


def write_table(path: Path, winners: Iterable[Entry]) -> None:
    """Put winners into a table, which is made where there is none."""
    read_table.cache_clear()
    entries = read_table(path) if path.exists() else ()
    with file_at_once(path) as draft:
        draft.write_text(table_text(merged(entries, winners)), encoding="utf-8")


def _place(entry: Entry) -> tuple[Any, ...]:
    return entry.kernel, entry.architecture, entry.dtype, tuple(sorted(entry.shape.items()))


def _passes(operator: Operator, arguments: tuple[Any, ...]) -> list[Callable[[], Sequence[Tensor]]]:
    """The forward and the backward pass, each with what it returns."""
    with torch.no_grad():
        outputs = operator.forward(*arguments)
        grad = torch.randn_like(outputs[0])

    def forward() -> Sequence[Tensor]:
        with torch.no_grad():
            return tuple(operator.forward(*arguments))

    def backward() -> Sequence[Tensor]:
        with torch.no_grad():
            found = operator.backward(grad, *arguments, *outputs)
            return (found,) if isinstance(found, Tensor) else tuple(found)

    return [forward, backward]


def _trial(run: Callable[[], Sequence[Tensor]], asked: Asked, clock: Clock, settings: Settings) -> Faster:
    """Whether a pass is faster with other numbers for one of its kernels, and gives the same."""
    expected = run()

    def launched(use: Use) -> Sequence[Tensor]:
        with tried({asked: use}):
            return run()

    def faster(candidate: Use, best: Use) -> bool:
        try:
            found = launched(candidate)
            torch.cuda.synchronize(settings.device)
        except Exception:
            # more shared memory or registers than there are, or a shape that cannot be compiled
            return False
        if not all(map(_same, found, expected)):
            return False
        works = {name: Work(lambda given, use=use: launched(use)) for name, use in (("best", best), ("new", candidate))}
        times = interleaved(works, clock, settings.duration)
        ratios = [new / old for new, old in zip(times["new"], times["best"], strict=True)]
        return quantile(ratios, 0.5) < _FASTER

    return faster


def _same(found: Tensor, expected: Tensor) -> bool:
    """Whether two tensors differ by roundings alone."""
    most = expected.abs().max().item() * 4 * torch.finfo(expected.dtype).eps
    return (found.double() - expected.double()).abs().max().item() <= most
