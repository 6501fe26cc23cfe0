"""What a machine can do at most, measured, and the least time that some work takes on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from archdsl.bench.timing import Clock, Duration, Work, interleaved

_ROUNDS = 10
# bytes that are copied, sides of the matrices, and numbers that are raised in the cache of a processor
_COPIED = {"cuda": 2**30, "cpu": 2**26}
_SIDE = {"cuda": 8192, "cpu": 512}
_RAISED = 2**15


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Bytes copied, operations of a matrix product (two for a multiplication with its addition) and exponentials, a second.

    On a CPU a second of the processor, all threads together. `exponentials` is None where they cannot be measured.
    """

    bandwidth: float
    matmul: float
    exponentials: float | None

    def __str__(self) -> str:
        raised = "" if self.exponentials is None else f", {self.exponentials / 1e9:.3g} billion exponentials/s"
        return f"copies {self.bandwidth / 1e9:.4g} GB/s, multiplies matrices at {self.matmul / 1e12:.3g} TFLOP/s{raised}"


@dataclass(frozen=True, slots=True)
class Least:
    """The least time of some work in milliseconds, and what limits it: `bandwidth`, `matmul` or `exponentials`."""

    milliseconds: float
    limit: str

    def __add__(self, other: Least) -> Least:
        longer = self if self.milliseconds >= other.milliseconds else other
        return Least(self.milliseconds + other.milliseconds, longer.limit)


def least(ceilings: Ceilings, *, moved: int, macs: int, exponentials: int) -> Least:
    """The roofline of work that moves some bytes, multiplies and raises."""
    times = {"bandwidth": moved / ceilings.bandwidth, "matmul": 2 * macs / ceilings.matmul}
    if ceilings.exponentials:
        times["exponentials"] = exponentials / ceilings.exponentials
    limit = max(times, key=lambda name: times[name])
    return Least(times[limit] * 1e3, limit)


def ceilings(device: torch.device, dtype: torch.dtype, clock: Clock) -> Ceilings:
    """Measure the ceilings of a device in a number format, on random numbers."""
    return Ceilings(_copied(device, clock), _multiplied(device, dtype, clock), _exponentials(device, clock))


def _copied(device: torch.device, clock: Clock) -> float:
    size = _COPIED[device.type]
    source = torch.randint(-128, 128, (size,), dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    return _rate(clock, 2 * size, lambda: target.copy_(source))


def _multiplied(device: torch.device, dtype: torch.dtype, clock: Clock) -> float:
    side = _SIDE[device.type]
    one, two = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(one)
    return _rate(clock, 2 * side**3, lambda: torch.mm(one, two, out=product))


def _exponentials(device: torch.device, clock: Clock) -> float | None:
    if device.type == "cpu":
        numbers = -torch.rand(_RAISED)
        found = torch.empty_like(numbers)
        return _rate(clock, _RAISED, lambda: torch.exp2(numbers, out=found))
    try:
        from archdsl.bench import exponentials
    except ImportError:
        return None
    count = torch.cuda.get_device_properties(device).multi_processor_count
    out = exponentials.room(device, multiprocessors=count)
    with torch.cuda.device(device):
        return _rate(clock, exponentials.run(out), lambda: exponentials.run(out))


def _rate(clock: Clock, amount: int, run: Callable[[], object]) -> float:
    """How much of something is done in a second."""
    run()
    spent = interleaved({"": Work(lambda given: run())}, clock, Duration(rounds=_ROUNDS))[""]
    return amount / median(spent) * 1e3
