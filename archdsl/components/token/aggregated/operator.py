"""The core of `aggregated` as an operator: neighbours and pooled map in one softmax, and the learnable tokens beside it."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.components.token.aggregated.spec import Aggregated
from archdsl.kernels.operator import Operator, normalisers
from archdsl.schema.units import FeatureMap

# the kernels keep several tiles of whole heads, and unroll the places of the window
MOST_HEAD_DIM = 128
MOST_PLACES = 49


def attention(
    q: Tensor,
    kv: Tensor,
    far_kv: Tensor,
    query_embedding: Tensor,
    sharpness: Tensor,
    local_bias: Tensor,
    learnable_tokens: Tensor,
    learnable_bias: Tensor,
    far_bias: Tensor,
    heads: int,
    window: tuple[int, int],
    outside: Tensor,
    log_places: Tensor,
) -> tuple[Tensor, Tensor]:
    """What each position of a map attends to, [B, H, W, C], and its logits, [B, heads, HW, taps + cells].

    The arguments are those of `aggregated_attention`; `outside` and `log_places` are those of `surroundings`.
    """
    batch, height, width, channels = q.shape
    q = F.normalize(_by_head(q, heads), dim=-1)  # [B, heads, HW, head_dim]
    k, v = _keys_and_values(kv, heads)
    query = (q + query_embedding) * (sharpness.reshape(-1, 1, 1) * log_places)

    near_k, near_v = _near(torch.cat((k, v), 1), (height, width), window)  # [B, heads, HW, head_dim, taps] each
    near = query.unsqueeze(-2).matmul(near_k).squeeze(-2) + local_bias.unsqueeze(1)  # [B, heads, HW, taps]
    near = near.masked_fill(outside, float("-inf"))
    far_k, far_v = _keys_and_values(far_kv, heads)  # [B, heads, cells, head_dim] each
    far = query.matmul(far_k.transpose(-2, -1)) + far_bias  # [B, heads, HW, cells]

    logits = torch.cat((near, far), -1)
    near_weight, far_weight = logits.softmax(-1).split((near.shape[-1], far.shape[-1]), -1)
    near_weight = near_weight + (q.matmul(learnable_tokens) + learnable_bias)
    y = near_v.matmul(near_weight.unsqueeze(-1)).squeeze(-1) + far_weight.matmul(far_v)
    return y.transpose(1, 2).reshape(batch, height, width, channels), logits


def surroundings(size: tuple[int, int], cells: int, window: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Which places of each position's window lie outside [HW, taps], and the logarithm of what it attends to [HW, 1]."""
    sides = []
    for length, reach in zip(size, window, strict=True):
        place = torch.arange(length, device=like.device)[:, None] + torch.arange(reach, device=like.device) - reach // 2
        sides.append((place < 0) | (place >= length))
    down, across = sides
    outside = (down[:, None, :, None] | across[None, :, None, :]).reshape(size[0] * size[1], -1)
    count = (~outside).sum(-1, keepdim=True) + cells
    return outside, count.to(like).log()


def _by_head(tokens: Tensor, heads: int) -> Tensor:
    """[B, ..., C] as [B, heads, positions, head_dim]."""
    # an empty batch does not say how many positions there are
    positions = math.prod(tokens.shape[1:-1])
    return tokens.reshape(tokens.shape[0], positions, heads, tokens.shape[-1] // heads).transpose(1, 2)


def _keys_and_values(tokens: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    k, v = tokens.chunk(2, -1)
    return F.normalize(_by_head(k, heads), dim=-1), _by_head(v, heads)


def _near(tokens: Tensor, size: tuple[int, int], window: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Of each position the keys and the values in its window; those outside of the map are zero."""
    batch, groups, positions, d = tokens.shape
    maps = tokens.transpose(2, 3).reshape(batch, groups * d, *size)
    taps = F.unfold(maps, window, padding=(window[0] // 2, window[1] // 2))
    taps = taps.reshape(batch, groups, d, window[0] * window[1], positions).permute(0, 1, 4, 2, 3)
    k, v = taps.chunk(2, 1)
    return k, v


def supports(spec: Aggregated, x: FeatureMap) -> str | None:
    """Why the kernel does not take a component, None where it does."""
    if spec.head_dim > MOST_HEAD_DIM:
        return f"a head has {spec.head_dim} channels, the kernel takes {MOST_HEAD_DIM} at most"
    if spec.window.area > MOST_PLACES:
        return f"a window has {spec.window.area} places, the kernel takes {MOST_PLACES} at most"
    return None


def _outputs(q: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    heads = arguments[-3]
    return q.new_empty(q.shape), normalisers(q, (*q.shape[:3], heads))


def _attention(*arguments: Any) -> tuple[Tensor, Tensor]:
    """The core in the finest number format of the tensors, which under autocast are of several."""
    *tensors, heads, rows, columns = arguments
    finest = reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
    q, kv, far_kv, *weights = (tensor.to(finest) for tensor in tensors)
    tables = surroundings((q.shape[1], q.shape[2]), far_kv.shape[1], (rows, columns), q)
    return attention(q, kv, far_kv, *weights, heads, (rows, columns), *tables)


def _reference(*arguments: Any) -> Tensor:
    return _attention(*arguments)[0]


def _saved(q: Tensor, *arguments: Any) -> tuple[Tensor]:
    lse = _attention(q, *arguments)[1].logsumexp(-1)  # [B, heads, HW]
    return (lse.transpose(1, 2).reshape(*q.shape[:3], lse.shape[1]),)


def _products(near: int, far: int, q: tuple[int, ...], kv: object, far_kv: tuple[int, ...], *rest: Any) -> int:
    """Multiplications of so many products of a position with each of its neighbours, and with each cell."""
    rows, columns = rest[7:9]
    return math.prod(q) * (near * rows * columns + far * far_kv[1])


def _macs(*arguments: Any) -> int:
    # of each place of the window: the product with the key, with the learnable token, and with the value
    return _products(3, 2, *arguments)


def _backward_macs(grad: object, *arguments: Any) -> int:
    # the products with keys and learnable tokens anew, and one for each of the gradients of weights, values, keys, learnable
    # tokens, and queries, near twice: through the softmax and beside it
    return _products(8, 5, *arguments)


def _exponentials(q: tuple[int, ...], *arguments: Any) -> int:
    heads = arguments[8]
    return _products(1, 1, (*q[:3], heads), *arguments)


aggregated_attention = Operator(
    "aggregated_attention",
    "Tensor q, Tensor kv, Tensor far_kv, Tensor query_embedding, Tensor sharpness, Tensor local_bias, "
    "Tensor learnable_tokens, Tensor learnable_bias, Tensor far_bias, int heads, int rows, int columns",
    gives=("y", "lse"),
    differentiable=(
        *("q", "kv", "far_kv", "query_embedding", "sharpness", "local_bias"),
        *("learnable_tokens", "learnable_bias", "far_bias"),
    ),
    batched=("q", "kv", "far_kv"),
    outputs=_outputs,
    reference=_reference,
    saved=_saved,
    folder="archdsl.components.token.aggregated",
    macs=_macs,
    backward_macs=_backward_macs,
    exponentials=_exponentials,
)
"""Attention of a map of queries `q` [B, H, W, C] to their neighbours and to the pooled map, in one softmax: [B, H, W, C].

`kv` [B, H, W, 2C] and `far_kv` [B, cells, 2C] have keys, then values, of the map and of the pooled map. Queries and keys are
as they leave their projections: the operator divides them by their lengths. The window has `rows` x `columns` places, both
odd. Of each head: `query_embedding` [heads, 1, head_dim] is added to the queries and `sharpness` [heads] times the logarithm
of the number of keys multiplies them; `local_bias` [heads, taps] and `far_bias` [heads, HW, cells], the same for all images,
are added to the logits; the products of queries with `learnable_tokens` [heads, head_dim, taps], and `learnable_bias`
[heads, 1, taps], to the weights of the neighbours. Number formats may be mixed, the result has that of `q`. `lse`
[B, H, W, heads] are the logarithms of the sums of exponentials, in float32. Tensors may have any strides; the kernels copy
those of activations whose last axis is not dense, and those of weights and biases that are not contiguous.
"""
