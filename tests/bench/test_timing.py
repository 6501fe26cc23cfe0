"""How times are taken; no time is looked at."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest
import torch

from archdsl.bench.roofline import Ceilings, Least, ceilings, least
from archdsl.bench.timing import CpuClock, Duration, Work, interleaved, quantile


class Order:
    """A clock that runs, and takes one millisecond more each time."""

    def __init__(self) -> None:
        self.calls = 0

    def round(self, works: Sequence[Work]) -> list[float]:
        """The number of each call."""
        times = []
        for work in works:
            assert not gc.isenabled()
            work.run(work.prepare())
            self.calls += 1
            times.append(float(self.calls))
        return times


def test_ways_take_turns() -> None:
    said: list[str] = []
    works = {name: Work(lambda given, name=name: said.append(name + given), lambda: "!") for name in "ABC"}
    times = interleaved(works, Order(), Duration(rounds=2))
    assert said == ["A!", "B!", "C!"] * 2
    assert times == {"A": [1, 4], "B": [2, 5], "C": [3, 6]}
    assert gc.isenabled()


def test_a_duration_of_seconds_has_five_rounds_at_least() -> None:
    times = interleaved({"A": Work(lambda given: None)}, Order(), Duration(seconds=0.0))
    assert times == {"A": [1, 2, 3, 4, 5]}


def test_garbage_is_collected_again_after_a_failure() -> None:
    def fail(given: object) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        interleaved({"A": Work(fail)}, Order(), Duration(rounds=1))
    assert gc.isenabled()


def test_the_clock_of_the_processor_leaves_preparing_out() -> None:
    said: list[str] = []
    times = CpuClock().round([Work(lambda given: said.append(given), lambda: "made")])
    assert said == ["made"]
    assert len(times) == 1
    assert times[0] >= 0


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.5), (0.2, 1.6), (1.0, 4.0)])
def test_a_quantile(share: float, value: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(value)


def test_the_roofline_is_the_longest_of_three() -> None:
    machine = Ceilings(bandwidth=1e9, matmul=2e9, exponentials=1e6)
    assert least(machine, moved=1_000_000, macs=10, exponentials=10) == Least(1.0, "bandwidth")
    assert least(machine, moved=1, macs=3_000_000, exponentials=10) == Least(3.0, "matmul")
    assert least(machine, moved=1, macs=1, exponentials=5_000) == Least(5.0, "exponentials")
    assert least(Ceilings(1e9, 2e9, None), moved=1000, macs=1, exponentials=5_000).limit == "bandwidth"
    assert Least(1.0, "bandwidth") + Least(2.0, "matmul") == Least(3.0, "matmul")


def test_the_ceilings_of_a_processor_are_all_there() -> None:
    found = ceilings(torch.device("cpu"), torch.float32, CpuClock())
    assert min(found.bandwidth, found.matmul, found.exponentials or 0) > 0
