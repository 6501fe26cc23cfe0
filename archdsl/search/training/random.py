"""Random numbers and sums that come out the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def repeatable(seed: int, device: torch.device, threads: int) -> Iterator[None]:
    """Inside, torch draws from this seed, and computes on the processor with so many threads; all is as before afterwards.

    The same work gives the same bits on the processor; on an accelerator as far as its libraries can.
    """
    before = torch.get_num_threads()
    cudnn = torch.backends.cudnn
    chosen = cudnn.deterministic, cudnn.benchmark
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            torch.set_num_threads(before)
            cudnn.deterministic, cudnn.benchmark = chosen
