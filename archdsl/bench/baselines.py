"""Other implementations of what operators compute: those that are installed and can express it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from archdsl.bench.ways import Absent, Way
from archdsl.components.maps import from_tiles, into_tiles
from archdsl.components.relative_logits import relative_logits
from archdsl.kernels.operator import Operator

SDPA = "scaled_dot_product_attention"
TIMM = "timm"
NATTEN = "natten"
PUBLISHED = "as published"
PUBLISHED_COMPILED = f"{PUBLISHED}, compiled"


def baselines(operator: Operator, arguments: tuple[Any, ...]) -> list[Way | Absent]:
    """The other implementations for an operator and arguments of it, and why others are not among them."""
    found = _FOR.get(operator.name)
    return [Absent("other implementations", "none is known")] if found is None else found(arguments)


def published(operator: Operator) -> Callable[..., Tensor] | None:
    """The formulation of the published code in plain torch, where the reference is another; None where it is the reference."""
    return _published_routing if operator.name == "routing_attention" else None


def _published_routing(qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, scale: float) -> Tensor:
    """`routing_attention` with keys and values that each region takes from a view of all regions of its own.

    The view costs nothing; its gradient is made for all pairs of regions, and summed.
    """
    grid, tile = (rows, columns), (qkv.shape[1] // rows, qkv.shape[2] // columns)
    tokens = into_tiles(qkv, grid, tile)  # [B, R, hw, 3C]
    batch, regions, positions, channels = tokens.shape
    channels //= 3
    views = tokens[..., channels:].unsqueeze(1).expand(-1, regions, -1, -1, -1)  # [B, R, R, hw, 2C]
    index = routes[..., None, None].expand(-1, -1, -1, positions, 2 * channels)
    k, v = views.gather(2, index).reshape(batch * regions, -1, 2, heads, channels // heads).unbind(2)
    q = tokens[..., :channels].reshape(batch * regions, positions, heads, -1).transpose(1, 2)
    weights = (q * scale).matmul(k.permute(0, 2, 3, 1)).softmax(-1)  # [B*R, heads, hw, k*hw]
    y = weights.matmul(v.transpose(1, 2))
    return from_tiles(y.transpose(1, 2).reshape(batch, regions, positions, channels), grid, tile)


def _routing(arguments: tuple[Any, ...]) -> list[Way | Absent]:
    return [
        Way(SDPA, _gathered, checked=True),
        Absent(TIMM, "it has no such module"),
        Absent(NATTEN, "it attends to neighbours, not to regions that are chosen"),
    ]


def _gathered(qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, scale: float) -> Tensor:
    """`routing_attention` with the fused attention of torch, on keys and values that are gathered before."""
    grid, tile = (rows, columns), (qkv.shape[1] // rows, qkv.shape[2] // columns)
    tokens = into_tiles(qkv, grid, tile)  # [B, R, hw, 3C]
    batch, regions, positions, channels = tokens.shape
    channels //= 3
    flat = tokens[..., channels:].reshape(batch, regions, -1)
    index = routes.reshape(batch, -1, 1).expand(-1, -1, flat.shape[-1])
    keyed = flat.gather(1, index).reshape(batch * regions, -1, 2, heads, channels // heads)
    k, v = keyed.permute(2, 0, 3, 1, 4).unbind(0)  # [B*R, heads, k*hw, head_dim]
    q = tokens[..., :channels].reshape(batch * regions, positions, heads, -1).transpose(1, 2)
    y = F.scaled_dot_product_attention(q, k, v, scale=scale)
    return from_tiles(y.transpose(1, 2).reshape(batch, regions, positions, channels), grid, tile)


def _halo(arguments: tuple[Any, ...]) -> list[Way | Absent]:
    return [
        Way(SDPA, _windowed, checked=True),
        _timm_halo(arguments),
        Absent(NATTEN, "its windows end at the border of the map, and it has no relative positions"),
    ]


def _windowed(
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
    """`halo_attention` with the fused attention of torch, on windows that are unfolded before; positions are its mask."""
    batch, channels, height, width = kv.shape
    window = (block_height + 2 * halo, block_width + 2 * halo)
    grid = (height // block_height, width // block_width)
    side = (block_height // query_stride, block_width // query_stride)
    head_dim = height_rel.shape[1]

    q = q.reshape(batch, heads, head_dim, grid[0], side[0], grid[1], side[1]).permute(0, 3, 5, 1, 4, 6, 2)
    kv = F.pad(kv, (halo,) * 4).unfold(2, window[0], block_height).unfold(3, window[1], block_width)
    kv = kv.permute(0, 2, 3, 1, 4, 5).reshape(batch * grid[0] * grid[1], heads, channels // heads, -1).transpose(2, 3)
    k, v = kv.split([head_dim, channels // heads - head_dim], dim=-1)
    mask = relative_logits(q, height_rel, width_rel, window).flatten(0, 2)  # [B*blocks, heads, queries, keys]
    y = F.scaled_dot_product_attention(q.flatten(4, 5).flatten(0, 2), k, v, attn_mask=mask, scale=scale)
    y = y.reshape(batch, *grid, heads, *side, -1).permute(0, 3, 6, 1, 4, 2, 5)
    return y.reshape(batch, -1, grid[0] * side[0], grid[1] * side[1])


def _timm_halo(arguments: tuple[Any, ...]) -> Way | Absent:
    block_height, block_width = arguments[5:7]
    if block_height != block_width:
        return Absent(TIMM, "its blocks are square")
    found = _imported("timm.layers.halo_attn")
    if isinstance(found, str):
        return Absent(TIMM, found)

    def run(
        q: Tensor,
        kv: Tensor,
        height_rel: Tensor,
        width_rel: Tensor,
        heads: int,
        block: int,
        _: int,
        halo: int,
        query_stride: int,
        scale: float,
    ) -> Tensor:
        # its module between the projections
        dim, blocks = height_rel.shape[1], block // query_stride
        tables = SimpleNamespace(block_size=blocks, dim_head=dim, height_rel=height_rel, width_rel=width_rel)
        module = SimpleNamespace(
            q=lambda x: q,
            kv=lambda x: kv,
            pos_embed=lambda queries: found.PosEmbedRel.forward(tables, queries),
            pool=lambda y: y,
            num_heads=heads,
            dim_head_qk=dim,
            dim_head_v=kv.shape[1] // heads - dim,
            dim_out_v=kv.shape[1] - heads * dim,
            scale=scale,
            scale_pos_embed=False,
            block_size=block,
            block_size_ds=blocks,
            block_stride=query_stride,
            halo_size=halo,
            win_size=block + 2 * halo,
        )
        y: Tensor = found.HaloAttn.forward(module, kv)
        return y

    return Way(TIMM, run, checked=True)


def _aggregated(arguments: tuple[Any, ...]) -> list[Way | Absent]:
    return [
        Absent(SDPA, "it adds nothing to the weights after the softmax"),
        Absent(TIMM, "it has no such module"),
        Absent(NATTEN, "it adds nothing to the weights after the softmax"),
    ]


def _imported(module: str) -> Any:
    """A module of another package, or why there is none."""
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        return "it is not installed" if error.name == package else f"it needs {error.name}, which is not installed"
    except Exception as error:
        # what is installed beside it may be of another version
        return f"it cannot be imported: {str(error).partition(chr(10))[0]}"


_FOR: dict[str, Callable[[tuple[Any, ...]], list[Way | Absent]]] = {
    "routing_attention": _routing,
    "halo_attention": _halo,
    "aggregated_attention": _aggregated,
}
