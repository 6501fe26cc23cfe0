"""How many exponentials a GPU computes in a second, with the numbers in registers."""

import torch
import triton
import triton.language as tl
from torch import Tensor

_LANES, _ROUNDS, _PROGRAMS = 1024, 512, 32


@triton.jit
def _exponentials(out, LANES: tl.constexpr, ROUNDS: tl.constexpr):  # noqa: N803
    """Numbers between 0 and 1, raised again and again."""
    at = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    x = at.to(tl.float32) * 1e-9
    for _ in range(ROUNDS):
        x = tl.exp2(-x)
    tl.store(out + at, x)


def room(device: torch.device, *, multiprocessors: int) -> Tensor:
    """What `run` writes: several programs for each multiprocessor."""
    return torch.empty(multiprocessors * _PROGRAMS * _LANES, device=device)


def run(out: Tensor) -> int:
    """Compute exponentials on the GPU, and return how many."""
    _exponentials[(out.numel() // _LANES,)](out, LANES=_LANES, ROUNDS=_ROUNDS, num_warps=4)
    return out.numel() * _ROUNDS
