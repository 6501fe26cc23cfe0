"""`memory`: the most memory that a network takes at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured, setting
from archdsl.search.objectives.prepare import labels
from archdsl.search.training.loss import loss_of

_MEBIBYTE = 2**20
_STDERR = 2


@dataclass(frozen=True, kw_only=True)
class Memory(Objective):
    """The most memory of the device that a forward pass or a step of training takes at once.

    Weights, buffers, images, what the optimizer keeps, and on top of these the most that torch's allocator gives out at the
    same time. A forward pass is in evaluation mode, without gradients. A step of training is a forward pass in training mode,
    the cross-entropy of the heads, the backward pass, and a step of AdamW. It is done once before it is measured.

    On CUDA the allocator tells its peak. On the CPU the peak is added up from all allocations and releases that torch's
    profiler records, those inside kernels among them; what a library such as oneDNN takes from the system without torch is not
    seen. What the process holds beside is not counted: the context of CUDA, freed memory that is kept for later.
    """

    name = "memory"
    direction = "minimize"
    unit = "MiB"
    source = "measured on the device of the study, as torch's allocator tells it"
    cost = "two forward passes of `batch` images, or two steps of training"

    batch: int = setting(8, ge=1, doc="images of the pass")
    work: str = setting("forward", choices=("forward", "training"), doc="what is measured")

    def __post_init__(self) -> None:
        if self.work == "training" and self.batch < 2:
            raise ValueError("a step of training takes 2 images or more, for the batch norms")

    def measure(self, candidate: Candidate, step: Step) -> float:
        if candidate.device.type not in _PEAKS:
            raise Unmeasured(f"memory is measured on the CPU and on CUDA, not on `{candidate.device.type}`")
        # drop path draws on the generator of the device; the caller's goes on as it was
        with torch.random.fork_rng([candidate.device] if candidate.device.type == "cuda" else []):
            torch.manual_seed(candidate.seed)
            work = _Training(candidate, self.batch) if self.work == "training" else _Forward(candidate, self.batch)
            work.run()
            above = _PEAKS[candidate.device.type](work.run, candidate.device)
            return (_size(work.held()) + above) / _MEBIBYTE


class _Forward:
    """A forward pass of a module of its own; `held` is what stays between passes."""

    def __init__(self, candidate: Candidate, batch: int) -> None:
        self.model = candidate.model()
        self.images = candidate.images(batch)

    def run(self) -> None:
        with torch.no_grad():
            self.model(self.images)

    def held(self) -> Iterator[Tensor]:
        yield self.images
        yield from self.model.parameters()
        yield from self.model.buffers()


class _Training(_Forward):
    """A step of training, whose optimizer changes nothing."""

    def __init__(self, candidate: Candidate, batch: int) -> None:
        super().__init__(candidate, batch)
        self.model.train()
        self.labels = labels(candidate, batch, candidate.generator("labels"))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.0)

    def run(self) -> None:
        with torch.enable_grad():
            loss_of(self.model(self.images), self.labels, smoothing=0.0).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def held(self) -> Iterator[Tensor]:
        yield self.labels
        yield from super().held()
        for state in self.optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor) and value.device == self.images.device)


def _size(tensors: Iterable[Tensor]) -> int:
    """The bytes of tensors; memory that several share counts once."""
    storages = {storage.data_ptr(): storage.nbytes() for storage in (tensor.untyped_storage() for tensor in tensors)}
    return sum(storages.values())


def _peak_on_cuda(run: Callable[[], None], device: torch.device) -> int:
    """The most bytes that are taken at once beyond those taken before."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _peak_on_cpu(run: Callable[[], None], device: torch.device) -> int:
    """As `_peak_on_cuda`, from the allocations and releases in the order of time."""
    profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True)
    with _silent():
        profiler.start()
    try:
        run()
    finally:
        with _silent():
            profiler.stop()
    assert profiler.profiler is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    taken = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        taken += event.nbytes()
        most = max(most, taken)
    return most


_PEAKS = {"cpu": _peak_on_cpu, "cuda": _peak_on_cuda}


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing on the process's stderr: the profiler announces there that it starts and stops."""
    sys.stderr.flush()
    try:
        kept = os.dup(_STDERR)
    except OSError:
        # the process was started without it
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)
