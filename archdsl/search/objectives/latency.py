"""`latency`: the time of a forward pass."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from archdsl.lowering.compile import require_compiler
from archdsl.search.objectives.objective import Candidate, Objective, Step, setting


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of single forward passes in milliseconds, in the order taken: those of each block."""

    blocks: tuple[tuple[float, ...], ...]

    @property
    def median(self) -> float:
        """The median over the blocks of the median of each."""
        return median(median(block) for block in self.blocks)

    @property
    def spread(self) -> float:
        """From the fastest block to the slowest, by their medians: how far the machine itself moved meanwhile."""
        middles = [median(block) for block in self.blocks]
        return max(middles) - min(middles)


@dataclass(frozen=True, kw_only=True)
class Latency(Objective):
    """The time of a forward pass on the device.

    The device is waited for before and after each pass. After the warm-up the passes are timed in blocks, with the collection
    of garbage between blocks and none inside; the value is the median over the blocks of the median of each. `timing` gives
    all times, and the spread.

    The module runs eagerly, in float32, in evaluation mode without gradients, on standard normal images at the spec's input,
    with as many threads as torch has. With `compile` inductor compiles it before, as one graph, which takes seconds to minutes
    for each candidate. A time is no function of spec and seed: nothing else should run on the machine, and times of other
    machines do not compare.
    """

    name = "latency"
    direction = "minimize"
    unit = "milliseconds"
    source = "measured on the device of the study"
    cost = "`warmup` + `blocks` x `runs` forward passes of `batch` images; compiling with `compile`"
    repeatable = False

    batch: int = setting(1, ge=1, doc="images of a pass")
    warmup: int = setting(3, ge=1, doc="passes that are not timed, at least one")
    blocks: int = setting(5, ge=1, doc="blocks of timed passes")
    runs: int = setting(5, ge=1, doc="timed passes of a block")
    compile: bool = setting(False, doc="compile each candidate before, as one graph")

    def measure(self, candidate: Candidate, step: Step) -> float:
        return self.timing(candidate).median

    def timing(self, candidate: Candidate) -> Timing:
        """The times of all passes.

        Raises
        ------
        SpecError: `compiler-missing`, when it is to be compiled and there is no C++ compiler.
        """
        model = candidate.model()
        images = candidate.images(self.batch)
        with torch.no_grad(), self._runnable(model) as run:
            self._warm_up(run, images)
            return Timing(tuple(self._block(run, images) for _ in range(self.blocks)))

    def _warm_up(self, run: Callable[[Tensor], Tensor], images: Tensor) -> None:
        with warnings.catch_warnings():
            if self.compile:
                # what inductor imports is told to be deprecated
                warnings.simplefilter("ignore")
            for _ in range(self.warmup):
                run(images)
        _wait(images.device)

    def _block(self, run: Callable[[Tensor], Tensor], images: Tensor) -> tuple[float, ...]:
        gc.collect()
        with _no_collection():
            return tuple(_timed(run, images) for _ in range(self.runs))

    @contextmanager
    def _runnable(self, model: torch.nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
        if not self.compile:
            yield model
            return
        require_compiler()
        # what was compiled of other candidates counts against the limit of one piece of code
        torch.compiler.reset()
        try:
            yield torch.compile(model, fullgraph=True, dynamic=False)
        finally:
            torch.compiler.reset()


def _timed(run: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Milliseconds of one pass, the device waited for."""
    _wait(images.device)
    start = time.perf_counter()
    run(images)
    _wait(images.device)
    return (time.perf_counter() - start) * 1000


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


@contextmanager
def _no_collection() -> Iterator[None]:
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
