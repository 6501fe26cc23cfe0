"""Sizes of tiles."""

from __future__ import annotations

import torch

# the shortest side of a tile that a tensor core multiplies
LEAST = 16


def tile(size: int, *, least: int = LEAST) -> int:
    """The power of two that holds `size`, as Triton wants the sides of tiles, and at least `least`."""
    return max(least, 1 << (size - 1).bit_length())


def tiles(size: int, of: int) -> int:
    """How many tiles of a size it takes, the last of them in part."""
    return -(-size // of)


def precision(dtype: torch.dtype) -> str:
    """How tensor cores may multiply: float32 in tf32 only where torch does so too."""
    # `allow_tf32` cannot be read once somebody has set this one
    return "tf32" if dtype == torch.float32 and torch.backends.cuda.matmul.fp32_precision == "tf32" else "ieee"
