"""The core of `halo` as an operator: attention of blocks to their windows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.components.relative_logits import relative_logits
from archdsl.components.token.halo.spec import Halo
from archdsl.kernels.operator import Operator, normalisers
from archdsl.schema.units import FeatureMap

# the kernels keep a tile of keys and one of values of a whole head
MOST_HEAD_DIM = 128
MOST_VALUE_DIM = 256
# and the products of a tile of queries with the tables of relative positions: of wide windows with narrower heads
MOST_WINDOW_SIDE = 64
WIDE_WINDOW_SIDE, WIDE_WINDOW_HEAD_DIM = 32, 64


def attention(
    q: Tensor,
    kv: Tensor,
    height_rel: Tensor,
    width_rel: Tensor,
    heads: int,
    block: tuple[int, int],
    halo: int,
    query_stride: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Attention of the queries of each block to the positions of its window.

    Arguments as those of `halo_attention`. Returns what is attended to, [B, heads * value_dim, Hq, Wq], and the logits,
    [B, heads, rows of blocks, columns of blocks, queries of a block, positions of a window].
    """
    batch, channels, height, width = kv.shape
    window = (block[0] + 2 * halo, block[1] + 2 * halo)
    grid = (height // block[0], width // block[1])
    side = (block[0] // query_stride, block[1] // query_stride)
    head_dim = height_rel.shape[1]
    value_dim = channels // heads - head_dim

    q = q.reshape(batch, heads, head_dim, grid[0], side[0], grid[1], side[1])
    q = q.permute(0, 1, 3, 5, 4, 6, 2)  # [B, heads, rows, columns, *side, head_dim]

    kv = F.pad(kv, (halo,) * 4)
    kv = kv.unfold(2, window[0], block[0]).unfold(3, window[1], block[1])
    # each head has its keys, then its values
    kv = kv.reshape(batch, heads, head_dim + value_dim, *grid, window[0] * window[1])
    k, v = kv.permute(0, 1, 3, 4, 5, 2).split([head_dim, value_dim], dim=-1)

    # the queries of the relative term are not scaled
    logits = (q * scale).flatten(4, 5).matmul(k.transpose(-2, -1)) + relative_logits(q, height_rel, width_rel, window)
    y = logits.softmax(-1).matmul(v)  # [B, heads, rows, columns, queries of a block, value_dim]

    y = y.reshape(batch, heads, *grid, *side, value_dim).permute(0, 1, 6, 2, 4, 3, 5)
    return y.reshape(batch, heads * value_dim, grid[0] * side[0], grid[1] * side[1]), logits


def supports(spec: Halo, x: FeatureMap) -> str | None:
    """Why the kernel does not take a component, None where it does."""
    heads = spec.heads_for(x.channels)
    sides = {
        "keys of a head": (x.channels // heads, MOST_HEAD_DIM, "channels"),
        "values of a head": (spec.values(x) // heads, MOST_VALUE_DIM, "channels"),
        "window": (max(spec.window), MOST_WINDOW_SIDE, "positions along a side"),
    }
    for what, (found, most, unit) in sides.items():
        if found > most:
            return f"the {what} {'has' if what == 'window' else 'have'} {found} {unit}, the kernel takes {most} at most"
    keys = x.channels // heads
    if max(spec.window) > WIDE_WINDOW_SIDE and keys > WIDE_WINDOW_HEAD_DIM:
        return (
            f"the window has {max(spec.window)} positions along a side and the keys of a head {keys} channels, with over "
            f"{WIDE_WINDOW_SIDE} positions the kernel takes {WIDE_WINDOW_HEAD_DIM} channels at most"
        )
    return None


def _outputs(
    q: Tensor,
    kv: Tensor,
    height_rel: Tensor,
    width_rel: Tensor,
    heads: int,
    block_height: int,
    block_width: int,
    halo: int,
    query_stride: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    batch, _, height, width = q.shape
    for queries, side, block in ((height, kv.shape[2], block_height), (width, kv.shape[3], block_width)):
        if block % query_stride or side % block or queries * query_stride != side:
            raise ValueError(
                f"a map of {kv.shape[2]}x{kv.shape[3]} with {height}x{width} queries cannot be cut into blocks of "
                f"{block_height}x{block_width} that have a query every {query_stride} positions"
            )
    channels = kv.shape[1] - q.shape[1]
    last = q.is_contiguous(memory_format=torch.channels_last) and not q.is_contiguous()
    layout = torch.channels_last if last else torch.contiguous_format
    y = torch.empty(batch, channels, height, width, dtype=q.dtype, device=q.device, memory_format=layout)
    return y, normalisers(q, (batch, heads, height, width))


def _reference(
    q: Tensor,
    kv: Tensor,
    height_rel: Tensor,
    width_rel: Tensor,
    heads: int,
    block_height: int,
    block_width: int,
    halo: int,
    query_stride: int,
    scale: float,
) -> Tensor:
    block = (block_height, block_width)
    return attention(q, kv, height_rel, width_rel, heads, block, halo, query_stride, scale)[0]


def _saved(
    q: Tensor,
    kv: Tensor,
    height_rel: Tensor,
    width_rel: Tensor,
    heads: int,
    block_height: int,
    block_width: int,
    halo: int,
    query_stride: int,
    scale: float,
) -> tuple[Tensor]:
    block = (block_height, block_width)
    logits = attention(q, kv, height_rel, width_rel, heads, block, halo, query_stride, scale)[1]
    # [B, heads, rows, columns, side, side] as a map of the queries
    sums = logits.logsumexp(-1).unflatten(-1, (block_height // query_stride, block_width // query_stride))
    return (sums.transpose(3, 4).reshape(q.shape[0], heads, *q.shape[2:]),)


def _pairs(q: tuple[int, ...], block_height: int, block_width: int, halo: int) -> tuple[int, int]:
    """Pairs of a query and a key of a head, and of a query and a row of a table."""
    queries = q[0] * q[2] * q[3]
    height, width = block_height + 2 * halo, block_width + 2 * halo
    return queries * height * width, queries * (2 * height - 1 + 2 * width - 1)


def _macs(
    q: tuple[int, ...],
    kv: tuple[int, ...],
    height_rel: tuple[int, ...],
    width_rel: tuple[int, ...],
    heads: int,
    block_height: int,
    block_width: int,
    halo: int,
    query_stride: int,
    scale: float,
) -> int:
    keys, rows = _pairs(q, block_height, block_width, halo)
    return keys * kv[1] + rows * q[1]


def _backward_macs(
    grad: tuple[int, ...],
    q: tuple[int, ...],
    kv: tuple[int, ...],
    height_rel: tuple[int, ...],
    width_rel: tuple[int, ...],
    heads: int,
    block_height: int,
    block_width: int,
    halo: int,
    query_stride: int,
    scale: float,
    *outputs: tuple[int, ...],
) -> int:
    keys, rows = _pairs(q, block_height, block_width, halo)
    # the logits anew, and one product for each of the gradients of weights, values, queries and keys; of the relative
    # term the products anew, and one for each of the gradients of queries and tables
    return keys * (2 * kv[1] + q[1]) + 3 * rows * q[1]


def _exponentials(
    q: tuple[int, ...],
    kv: tuple[int, ...],
    height_rel: tuple[int, ...],
    width_rel: tuple[int, ...],
    heads: int,
    block_height: int,
    block_width: int,
    halo: int,
    query_stride: int,
    scale: float,
) -> int:
    return heads * _pairs(q, block_height, block_width, halo)[0]


halo_attention = Operator(
    "halo_attention",
    "Tensor q, Tensor kv, Tensor height_rel, Tensor width_rel, "
    "int heads, int block_height, int block_width, int halo, int query_stride, float scale",
    gives=("y", "lse"),
    differentiable=("q", "kv", "height_rel", "width_rel"),
    batched=("q", "kv"),
    outputs=_outputs,
    reference=_reference,
    saved=_saved,
    folder="archdsl.components.token.halo",
    macs=_macs,
    backward_macs=_backward_macs,
    exponentials=_exponentials,
)
"""Attention of the blocks of a map to their windows: [B, heads * value_dim, Hq, Wq].

q [B, heads * head_dim, Hq, Wq] are the queries at every `query_stride`-th position, kv [B, heads * (head_dim + value_dim),
H, W] the keys and values at every position, of each head its keys, then its values; both with any strides. The window of a
block is the block and `halo` positions around it; outside of the map keys and values are zero and not masked.
`height_rel` [2 * window height - 1, head_dim] and `width_rel` likewise are the tables of relative positions. The scale
is that of the products with keys, not of those with the tables. All tensors are of one number format.

The result is in the memory format of q: channels last where q is and is dense, else contiguous. `lse` [B, heads, Hq, Wq] are
the logarithms of the sums of exponentials, in float32.
"""
