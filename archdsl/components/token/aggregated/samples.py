"""Shapes that `aggregated_attention` is checked and measured at."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archdsl.kernels.sample import Sample


def _sample(
    name: str, height: int, width: int, channels: int, heads: int, cells: int, rows: int = 3, columns: int = 3
) -> Sample:
    shape = {"height": height, "width": width, "channels": channels, "heads": heads}
    return Sample(name, shape | {"cells": cells, "rows": rows, "columns": columns})


PUBLISHED = (
    _sample("transnext_tiny s1", 56, 56, 72, 3, 49),
    _sample("transnext_tiny s2", 28, 28, 144, 6, 49),
    _sample("transnext_tiny s3", 14, 14, 288, 12, 49),
    _sample("transnext_micro s1", 56, 56, 48, 2, 49),
    _sample("transnext_base s1", 56, 56, 96, 4, 49),
    _sample("transnext_base s3", 14, 14, 384, 16, 49),
    _sample("transnext_base_384 s1", 96, 96, 96, 4, 144),
    _sample("transnext_base_384 s3", 24, 24, 384, 16, 144),
    _sample("transnext_micro_aaaa s1", 64, 64, 48, 2, 16),
    _sample("transnext_micro_aaaa s4", 8, 8, 384, 16, 16),
    # at 512 pixels, as dense tasks take it
    _sample("transnext_tiny s1 at 512", 128, 128, 72, 3, 256),
    _sample("transnext_tiny s2 at 512", 64, 64, 144, 6, 256),
    _sample("transnext_tiny s3 at 512", 32, 32, 288, 12, 256),
)
ODD = (
    _sample("one position, one cell", 1, 1, 32, 4, 1),
    _sample("a map smaller than the window", 2, 3, 24, 3, 2, 5, 3),
    _sample("a window of one place", 5, 4, 32, 4, 6, 1, 1),
    _sample("a window that is not square", 4, 9, 48, 2, 3, 3, 5),
    _sample("tiles in part, heads of 8", 9, 11, 24, 3, 12),
    _sample("cells in tiles, heads of 48", 5, 8, 96, 2, 72),
)
LARGEST = (_sample("the widest heads and window", 14, 14, 256, 2, 49, 7, 7),)


def draw(sample: Sample, batch: int, *, dtype: torch.dtype, device: str | torch.device, seed: int = 0) -> tuple[Any, ...]:
    """Arguments of the operator: standard normal queries, keys and values; weights and biases of all sizes that matter."""
    shape = sample.shape
    generator = torch.Generator().manual_seed(seed)
    height, width, channels, heads = (shape[axis] for axis in ("height", "width", "channels", "heads"))
    cells, taps = shape["cells"], shape["rows"] * shape["columns"]

    def normal(*sizes: int) -> Tensor:
        return torch.randn(sizes, generator=generator)

    tensors = (
        *(
            normal(batch, height, width, channels),
            normal(batch, height, width, 2 * channels),
            normal(batch, cells, 2 * channels),
        ),
        0.1 * normal(heads, 1, channels // heads),
        1 + normal(heads).abs(),
        *(normal(heads, taps), 0.2 * normal(heads, channels // heads, taps), 0.2 * normal(heads, 1, taps)),
        normal(heads, height * width, cells),
    )
    return *(tensor.to(device=device, dtype=dtype) for tensor in tensors), heads, shape["rows"], shape["columns"]
