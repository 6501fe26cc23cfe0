"""Relative positions of queries and keys on a grid, as a term of attention logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RelativeLogits(nn.Module):
    """A vector for each distance along either axis, multiplied with the query.

    The keys are a grid of `size`; each axis of n keys has a table of 2n - 1 vectors, of which the one for key u as seen
    from query i is row u - i + n - 1. Bello et al., Attention Augmented Convolutional Networks, ICCV 2019, section 3.2.1.
    """

    def __init__(self, size: tuple[int, int], head_dim: int) -> None:
        super().__init__()
        self.size = size
        self.height_rel = nn.Parameter(torch.empty(2 * size[0] - 1, head_dim))
        self.width_rel = nn.Parameter(torch.empty(2 * size[1] - 1, head_dim))
        for table in (self.height_rel, self.width_rel):
            nn.init.trunc_normal_(table, std=head_dim**-0.5)

    def forward(self, q: Tensor) -> Tensor:
        return relative_logits(q, self.height_rel, self.width_rel, self.size)


def relative_logits(q: Tensor, height_rel: Tensor, width_rel: Tensor, size: tuple[int, int]) -> Tensor:
    """Queries [..., rows, columns, head_dim] as logits [..., queries, keys] of the keys of a grid of `size`.

    There are no more queries than keys along an axis. The tables are those of `RelativeLogits`.
    """
    rows, columns = q.shape[-3:-1]
    by_row = _shifted(q.transpose(-3, -2).matmul(height_rel.transpose(0, 1)), size[0])
    by_row = by_row.transpose(-3, -2)  # [..., rows, columns, key rows]
    by_column = _shifted(q.matmul(width_rel.transpose(0, 1)), size[1])  # [..., rows, columns, key columns]
    logits = by_row.unsqueeze(-1) + by_column.unsqueeze(-2)
    return logits.reshape(*q.shape[:-3], rows * columns, size[0] * size[1])


def _shifted(x: Tensor, keys: int) -> Tensor:
    """[..., i, distance] to [..., i, key], where key u of query i is distance u - i + keys - 1."""
    queries, distances = x.shape[-2:]
    if distances == 1:
        return x
    # read as rows that are one shorter, each row begins one distance earlier than the row before
    flat = F.pad(x.flatten(-2), (0, keys - 1))[..., keys - 1 : keys - 1 + queries * (distances - 1)]
    return flat.reshape(*x.shape[:-2], queries, distances - 1)[..., :keys]
