"""What was measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from archdsl.bench.machine import Machine
from archdsl.bench.roofline import Ceilings, Least
from archdsl.bench.timing import quantile
from archdsl.bench.ways import Absent, Way

Pass = Literal["forward", "backward", "forward+backward"]
PASSES: tuple[Pass, ...] = ("forward", "backward", "forward+backward")


@dataclass(frozen=True, slots=True)
class Row:
    """One way in one pass.

    `milliseconds` is the median over the rounds; `ratio` that of the rounds' ratios to the base: a fifth of them lies below
    `low`, a fifth above `high`. `memory` are the most bytes that it takes at once beyond what was taken before; None on the
    CPU. `share` is the part of the time that the roofline takes, `limit` what the roofline is.
    `failed` is why there is no number.
    """

    way: str
    mode: str | None
    work: Pass
    milliseconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    memory: int | None = None
    share: float | None = None
    limit: str | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One shape of an operator, or one spec.

    `base` is the way that the ratios are to. `compiling` has the seconds that each compiled way took before it ran. `parity`
    says how far the ways that were checked are from float64. `refused` are those that are too far and were not measured.
    """

    name: str
    base: str
    rounds: dict[Pass, int]
    rows: tuple[Row, ...]
    absent: tuple[Absent, ...] = ()
    compiling: dict[str, float] | None = None
    parity: dict[str, tuple[str, ...]] | None = None
    refused: dict[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """All that one run measured, where, and how."""

    target: str
    batch: int
    dtype: str
    seed: int
    machine: Machine
    ceilings: Ceilings
    clocks_before: str | None
    clocks_after: str | None
    cases: tuple[Case, ...]

    @property
    def holds(self) -> bool:
        """Whether all that was to be measured passed the check before."""
        return not any(case.refused for case in self.cases)

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"version": 1, "kind": "bench", **asdict(self)}


def row(way: Way, work: Pass, times: list[float], base: list[float], memory: int | None, least: Least | None) -> Row:
    """What the times of the rounds come to. `base` has the times of the base in the same rounds."""
    ratios = [mine / other for mine, other in zip(times, base, strict=True)]
    middle = quantile(times, 0.5)
    return Row(
        way.name,
        way.mode,
        work,
        middle,
        quantile(ratios, 0.5),
        quantile(ratios, 0.2),
        quantile(ratios, 0.8),
        memory,
        least.milliseconds / middle if least else None,
        least.limit if least else None,
    )
