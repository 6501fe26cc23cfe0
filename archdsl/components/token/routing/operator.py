"""The core of `routing` as an operator: attention of regions to the regions that they are routed to."""

from __future__ import annotations

from torch import Tensor

from archdsl.components.maps import from_tiles, into_tiles
from archdsl.components.token.routing.spec import Routing
from archdsl.kernels.operator import Operator, normalisers
from archdsl.schema.units import FeatureMap

# the kernels keep a tile of keys and one of values of a whole head
MOST_HEAD_DIM = 128


def attention(tokens: Tensor, routes: Tensor, heads: int, scale: float) -> tuple[Tensor, Tensor]:
    """Attention of the positions of each region to those of the regions in `routes`.

    Queries, keys and values are side by side in `tokens` [B, R, hw, 3C], `routes` [B, R, k] has indices of regions. Returns
    what is attended to, [B, R, hw, C], and the logits, [B, R, heads, hw, k*hw].
    """
    batch, regions, positions, channels = tokens.shape
    channels //= 3
    head_dim, keys = channels // heads, routes.shape[-1] * positions
    keyed = _gathered(tokens[..., channels:], routes)  # [B, R, k*hw, 2C]
    k, v = keyed.reshape(batch, regions, keys, 2, heads, head_dim).permute(3, 0, 1, 4, 2, 5).unbind(0)
    q = tokens[..., :channels].reshape(batch, regions, positions, heads, head_dim).transpose(2, 3)
    logits = (q * scale).matmul(k.transpose(-2, -1))
    y = logits.softmax(-1).matmul(v).transpose(2, 3)  # [B, R, hw, heads, head_dim]
    return y.reshape(batch, regions, positions, channels), logits


def _gathered(tokens: Tensor, routes: Tensor) -> Tensor:
    batch, regions, positions, channels = tokens.shape
    rows = tokens.reshape(batch, regions, positions * channels)
    index = routes.flatten(1)[..., None].expand(-1, -1, positions * channels)
    return rows.gather(1, index).reshape(batch, regions, routes.shape[-1] * positions, channels)


def supports(spec: Routing, x: FeatureMap) -> str | None:
    """Why the kernel does not take a component, None where it does."""
    if spec.head_dim > MOST_HEAD_DIM:
        return f"a head has {spec.head_dim} channels, the kernel takes {MOST_HEAD_DIM} at most"
    return None


def _outputs(qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, scale: float) -> tuple[Tensor, Tensor]:
    batch, height, width, channels = qkv.shape
    return qkv.new_empty(batch, height, width, channels // 3), normalisers(qkv, (batch, height, width, heads))


def _reference(qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, scale: float) -> Tensor:
    grid, tile = (rows, columns), (qkv.shape[1] // rows, qkv.shape[2] // columns)
    return from_tiles(attention(into_tiles(qkv, grid, tile), routes, heads, scale)[0], grid, tile)


def _saved(qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, scale: float) -> tuple[Tensor]:
    grid, tile = (rows, columns), (qkv.shape[1] // rows, qkv.shape[2] // columns)
    logits = attention(into_tiles(qkv, grid, tile), routes, heads, scale)[1]
    return (from_tiles(logits.logsumexp(-1).transpose(2, 3), grid, tile),)


def _macs(qkv: tuple[int, ...], routes: tuple[int, ...], heads: int, rows: int, columns: int, scale: float) -> int:
    batch, height, width, channels = qkv
    keys = routes[-1] * (height * width // (rows * columns))
    return 2 * batch * height * width * keys * (channels // 3)


def _backward_macs(grad: tuple[int, ...], *arguments: object) -> int:
    # the logits anew, and one product for each of the gradients of weights, values, queries and keys
    return 5 * _macs(*arguments[:6]) // 2  # type: ignore[arg-type]


def _exponentials(qkv: tuple[int, ...], routes: tuple[int, ...], heads: int, rows: int, columns: int, scale: float) -> int:
    batch, height, width, _ = qkv
    return batch * heads * height * width * routes[-1] * (height * width // (rows * columns))


routing_attention = Operator(
    "routing_attention",
    "Tensor qkv, Tensor routes, int heads, int rows, int columns, float scale",
    gives=("y", "lse"),
    differentiable=("qkv",),
    batched=("qkv", "routes"),
    outputs=_outputs,
    reference=_reference,
    saved=_saved,
    folder="archdsl.components.token.routing",
    macs=_macs,
    backward_macs=_backward_macs,
    exponentials=_exponentials,
)
"""Attention of a map of queries, keys and values [B, H, W, 3C], cut into rows x columns regions: [B, H, W, C].

`routes` [B, R, k] has the regions that each region attends to, row by row, all different. `lse` [B, H, W, heads] are the
logarithms of the sums of exponentials, in float32. Tensors may have any strides.
"""
