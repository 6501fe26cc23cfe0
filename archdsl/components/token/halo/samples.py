"""Shapes that `halo_attention` is checked and measured at."""

from __future__ import annotations

from typing import Any

import torch

from archdsl.kernels.sample import Sample


def _sample(
    name: str,
    height: int,
    width: int,
    heads: int,
    head_dim: int,
    value_dim: int,
    block: tuple[int, int],
    halo: int,
    stride: int = 1,
) -> Sample:
    shape = {"height": height, "width": width, "heads": heads, "head_dim": head_dim, "value_dim": value_dim}
    shape |= {"block_height": block[0], "block_width": block[1], "halo": halo, "stride": stride}
    return Sample(name, shape)


PUBLISHED = (
    _sample("halonet_h1 s1", 64, 64, 8, 8, 8, (8, 8), 3),
    _sample("halonet_h1 s2", 32, 32, 8, 16, 16, (8, 8), 3),
    _sample("halonet_h1 s3", 16, 16, 8, 32, 32, (8, 8), 3),
    _sample("halonet_h1 s4", 8, 8, 8, 64, 64, (8, 8), 3),
    # the first blocks of the stages
    _sample("halonet_h1 s2 first", 64, 64, 8, 16, 16, (8, 8), 3, stride=2),
    _sample("halonet_h1 s3 first", 32, 32, 8, 32, 32, (8, 8), 3, stride=2),
    _sample("halonet_h1 s4 first", 16, 16, 8, 64, 64, (8, 8), 3, stride=2),
    # blocks of several tiles of queries, wide values
    _sample("halonet_h5 s1", 112, 112, 8, 8, 20, (14, 14), 2),
    _sample("halonet_h6 s4", 16, 16, 8, 64, 192, (8, 8), 4),
)
ODD = (
    _sample("one block", 4, 4, 2, 8, 8, (4, 4), 1),
    _sample("blocks that are not square", 10, 9, 1, 16, 24, (5, 3), 3),
    _sample("no halo", 6, 4, 2, 24, 8, (3, 4), 0),
    _sample("a halo wider than a block", 4, 6, 1, 8, 16, (2, 2), 3),
    _sample("every other query", 8, 12, 1, 32, 20, (4, 6), 1, stride=2),
    _sample("more queries than a tile", 12, 10, 1, 48, 48, (12, 10), 2),
    _sample("a position a block", 2, 3, 1, 64, 64, (1, 1), 1),
)
LARGEST = (
    _sample("the widest heads", 16, 16, 1, 128, 256, (16, 16), 8),
    _sample("the widest window", 32, 32, 1, 64, 256, (32, 32), 16),
)


def draw(sample: Sample, batch: int, *, dtype: torch.dtype, device: str | torch.device, seed: int = 0) -> tuple[Any, ...]:
    """Arguments of the operator: standard normal queries, keys and values, and tables as they start."""
    shape = sample.shape
    heads, head_dim, stride = shape["heads"], shape["head_dim"], shape["stride"]
    height, width, halo = shape["height"], shape["width"], shape["halo"]
    block = (shape["block_height"], shape["block_width"])
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(batch, heads * head_dim, height // stride, width // stride, generator=generator)
    kv = torch.randn(batch, heads * (head_dim + shape["value_dim"]), height, width, generator=generator)
    tables = [torch.randn(2 * (side + 2 * halo) - 1, head_dim, generator=generator) * head_dim**-0.5 for side in block]
    tensors = [tensor.to(device=device, dtype=dtype) for tensor in (q, kv, *tables)]
    return *tensors, heads, *block, halo, stride, head_dim**-0.5
