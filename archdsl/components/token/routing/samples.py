"""Shapes that `routing_attention` is checked and measured at."""

from __future__ import annotations

from typing import Any

import torch

from archdsl.kernels.sample import Sample


def _sample(
    name: str, height: int, width: int, channels: int, heads: int, topk: int, rows: int = 7, columns: int = 7
) -> Sample:
    shape = {"height": height, "width": width, "channels": channels, "heads": heads}
    return Sample(name, shape | {"topk": topk, "rows": rows, "columns": columns})


PUBLISHED = (
    _sample("biformer_t s1", 56, 56, 64, 2, 1),
    _sample("biformer_t s2", 28, 28, 128, 4, 4),
    _sample("biformer_t s3", 14, 14, 256, 8, 16),
    _sample("biformer_b s3", 14, 14, 384, 12, 16),
    # at 512 pixels, as dense tasks take it
    _sample("biformer_t s1 at 512", 128, 128, 64, 2, 1, 8, 8),
    _sample("biformer_t s2 at 512", 64, 64, 128, 4, 4, 8, 8),
    _sample("biformer_t s3 at 512", 32, 32, 256, 8, 16, 8, 8),
)
ODD = (
    _sample("one region", 5, 3, 8, 1, 1, 1, 1),
    _sample("a map that is not square", 6, 10, 24, 3, 3, 2, 5),
    _sample("a position a region, all routed", 3, 2, 48, 2, 6, 3, 2),
    _sample("head of 24, regions of 15", 10, 9, 24, 1, 2, 2, 3),
    _sample("head of 48, regions of 3x7", 6, 14, 48, 1, 3, 2, 2),
)
LARGEST = (
    _sample("the widest heads, small regions", 14, 14, 128, 1, 4),
    _sample("the widest heads, large regions", 64, 64, 128, 1, 4, 2, 2),
)


def draw(sample: Sample, batch: int, *, dtype: torch.dtype, device: str | torch.device, seed: int = 0) -> tuple[Any, ...]:
    """Arguments of the operator: standard normal queries, keys and values, and different regions for each region."""
    shape = sample.shape
    generator = torch.Generator().manual_seed(seed)
    regions = shape["rows"] * shape["columns"]
    qkv = torch.randn(batch, shape["height"], shape["width"], 3 * shape["channels"], generator=generator)
    routes = torch.rand(batch, regions, regions, generator=generator).topk(shape["topk"], -1).indices
    qkv = qkv.to(device=device, dtype=dtype)
    return qkv, routes.to(device), shape["heads"], shape["rows"], shape["columns"], shape["channels"] ** -0.5
