"""The kernels of `halo`: attention of blocks to their windows inside the map, without a copy of them, and its gradients."""

import math
from pathlib import Path
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from archdsl.components.token.halo.operator import halo_attention
from archdsl.kernels.configuration import configuration
from archdsl.kernels.tiles import precision, tile, tiles

_TABLE = Path(__file__).with_name("configurations.json")

# programs that take queries of several blocks, where there are as many: fewer would leave a GPU idle
_LEAST_PARTS = 256

_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)


# --- what the kernels share -------------------------------------------------------------------------------------------


@triton.jit
def _numbered(block, rows, columns, heads):
    """Row and column of a block in the grid of an image, its head and its image, by its number among all blocks."""
    head = (block // (columns * rows) % heads).to(tl.int64)
    batch = (block // (columns * rows) // heads).to(tl.int64)
    return block // columns % rows, block % columns, head, batch


@triton.jit
def _queries(tile, block_h, block_w, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr):
    """Rows and columns of a tile of the queries of a block, in the block and in the map, and which are real."""
    at = tile * QUERIES + tl.arange(0, QUERIES)
    row, column = at // WIDTH, at % WIDTH
    return row, column, block_h * HEIGHT + row, block_w * WIDTH + column, at < HEIGHT * WIDTH


@triton.jit
def _read(pointer, offset, seen, stride_c, CHANNELS: tl.constexpr, PADDED: tl.constexpr):
    """Channels of positions, [PADDED, positions]; zero where a position is not seen."""
    channel = tl.arange(0, PADDED)
    mask = (channel < CHANNELS)[:, None] & seen[None, :]
    return tl.load(pointer + (channel[:, None] * stride_c + offset[None, :]), mask=mask, other=0.0)


@triton.jit
def _write(pointer, value, offset, seen, stride_c, CHANNELS: tl.constexpr, PADDED: tl.constexpr):
    """Write channels of positions, [PADDED, positions]."""
    channel = tl.arange(0, PADDED)
    mask = (channel < CHANNELS)[:, None] & seen[None, :]
    tl.store(pointer + (channel[:, None] * stride_c + offset[None, :]), value.to(pointer.dtype.element_ty), mask=mask)


@triton.jit
def _keys(start, top, left, height, width, SIDE_H: tl.constexpr, SIDE_W: tl.constexpr, KEYS: tl.constexpr):
    """Rows and columns in a window and in the map of its positions from `start` on, which are real, and which in the map."""
    key = start + tl.arange(0, KEYS)
    key_h, key_w, real = key // SIDE_W, key % SIDE_W, key < SIDE_H * SIDE_W
    row, column = top + key_h, left + key_w
    return key_h, key_w, row, column, real, real & (row >= 0) & (row < height) & (column >= 0) & (column < width)


@triton.jit
def _read_rows(tables, row, seen, CHANNELS: tl.constexpr, PADDED: tl.constexpr):
    """Rows of the tables of relative positions, [rows, PADDED]; zero where a row is not seen."""
    channel = tl.arange(0, PADDED)
    mask = seen[:, None] & (channel < CHANNELS)[None, :]
    return tl.load(tables + row[:, None] * CHANNELS + channel[None, :], mask=mask, other=0.0)


@triton.jit
def _sides_of(row, column, HEIGHT: tl.constexpr, PADDED: tl.constexpr, dtype: tl.constexpr):
    """Factor that spreads what belongs to rows, then columns, over positions: [PADDED, positions], one in those of each."""
    side = tl.arange(0, PADDED)[:, None]
    return tl.where((side == row[None, :]) | (side == column[None, :] + HEIGHT), 1.0, 0.0).to(dtype)


@triton.jit
def _distances(row, column, side, HEIGHT: tl.constexpr, QUERY_H: tl.constexpr, QUERY_W: tl.constexpr):
    """Rows of the tables for sides of keys and queries of a block, which lie along different axes.

    The first HEIGHT sides are rows of keys, the others columns. Row 0 is for the first key as seen from the last query.
    """
    return tl.where(side < HEIGHT, side - row, side - column + (QUERY_W - 1)) + (QUERY_H - 1)


@triton.jit
def _taken(values, index, AXIS: tl.constexpr):
    """`tl.gather` where some of the indices lead nowhere."""
    return tl.gather(values, tl.minimum(tl.maximum(index, 0), values.shape[AXIS] - 1), AXIS)


# --- forward ----------------------------------------------------------------------------------------------------------


@triton.jit
def _forward(
    q_pointer,
    kv_pointer,
    tables,
    y_pointer,
    lse_pointer,
    q_b,
    q_c,
    q_h,
    q_w,
    kv_b,
    kv_c,
    kv_h,
    kv_w,
    y_b,
    y_c,
    y_h,
    y_w,
    height,
    width,
    heads,
    scale,
    HEAD_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    HALO: tl.constexpr,
    STRIDE: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    SIDES: tl.constexpr,
    ROWS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A tile of the queries of one block, of one head."""
    SIDE_H: tl.constexpr = BLOCK_H + 2 * HALO
    SIDE_W: tl.constexpr = BLOCK_W + 2 * HALO
    QUERY_H: tl.constexpr = BLOCK_H // STRIDE
    QUERY_W: tl.constexpr = BLOCK_W // STRIDE
    TILES: tl.constexpr = (QUERY_H * QUERY_W + QUERIES - 1) // QUERIES
    ROWS_H: tl.constexpr = SIDE_H + QUERY_H - 1
    ROWS_W: tl.constexpr = SIDE_W + QUERY_W - 1
    rows, columns = height // BLOCK_H, width // BLOCK_W

    program = tl.program_id(0)
    block_h, block_w, head, batch = _numbered(program // TILES, rows, columns, heads)
    query_h, query_w, query_row, query_column, seen = _queries(program % TILES, block_h, block_w, QUERY_H, QUERY_W, QUERIES)
    q = _read(q_pointer + batch * q_b + head * HEAD_DIM * q_c, query_row * q_h + query_column * q_w, seen, q_c, HEAD_DIM, D)
    q = tl.trans(q)  # [queries, D]
    distance = tl.arange(0, ROWS)
    table = _read_rows(tables, distance, distance < ROWS_H + ROWS_W, HEAD_DIM, D)
    side = tl.arange(0, SIDES)[None, :]
    index = _distances(query_h[:, None], query_w[:, None], side, SIDE_H, QUERY_H, QUERY_W)
    # relative logits by rows and columns of the window; rounded as weights are, because they are factors of a product
    by_side = _taken(tl.dot(q, tl.trans(table), input_precision=PRECISION), index, 1).to(q.dtype)  # [queries, SIDES]

    own = kv_pointer + batch * kv_b + head * (HEAD_DIM + VALUE_DIM) * kv_c
    top_row, left_column = block_h * BLOCK_H - HALO, block_w * BLOCK_W - HALO
    top = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    y = tl.zeros([QUERIES, E], tl.float32)
    for start in range(0, SIDE_H * SIDE_W, KEYS):
        key_h, key_w, row, column, real, inside = _keys(start, top_row, left_column, height, width, SIDE_H, SIDE_W, KEYS)
        key_offset = row * kv_h + column * kv_w
        k = _read(own, key_offset, inside, kv_c, HEAD_DIM, D)
        v = _read(own + HEAD_DIM * kv_c, key_offset, inside, kv_c, VALUE_DIM, E)
        logits = tl.dot(q, k, input_precision=PRECISION) * scale
        logits = tl.dot(by_side, _sides_of(key_h, key_w, SIDE_H, SIDES, q.dtype), logits, input_precision=PRECISION)
        logits = tl.where(real[None, :], logits, float("-inf"))

        higher = tl.maximum(top, tl.max(logits, 1) * _LOG2_E)
        weights = tl.exp2(logits * _LOG2_E - higher[:, None])
        fade = tl.exp2(top - higher)
        total = total * fade + tl.sum(weights, 1)
        y = y * fade[:, None]
        y = tl.dot(weights.to(v.dtype), tl.trans(v), y, input_precision=PRECISION)
        top = higher

    y = tl.trans(y / total[:, None])
    _write(y_pointer + batch * y_b + head * VALUE_DIM * y_c, y, query_row * y_h + query_column * y_w, seen, y_c, VALUE_DIM, E)
    place = (batch * heads + head) * (rows * QUERY_H * columns * QUERY_W) + query_row * (columns * QUERY_W) + query_column
    tl.store(lse_pointer + place, (top + tl.log2(total)) * _LN_2, mask=seen)


# --- gradients of queries and tables ----------------------------------------------------------------------------------


@triton.jit
def _query_gradients(
    grad_pointer,
    q_pointer,
    kv_pointer,
    tables,
    y_pointer,
    lse_pointer,
    q_grad,
    table_parts,
    delta_pointer,
    total_pointer,
    grad_b,
    grad_c,
    grad_h,
    grad_w,
    q_b,
    q_c,
    q_h,
    q_w,
    kv_b,
    kv_c,
    kv_h,
    kv_w,
    y_b,
    y_c,
    y_h,
    y_w,
    to_b,
    to_c,
    to_h,
    to_w,
    height,
    width,
    heads,
    items,
    items_each,
    scale,
    HEAD_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    HALO: tl.constexpr,
    STRIDE: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    SIDES: tl.constexpr,
    ROWS: tl.constexpr,
    EXACT: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Tiles of queries of several blocks, one after the other, and what they add to the gradients of the tables."""
    SIDE_H: tl.constexpr = BLOCK_H + 2 * HALO
    SIDE_W: tl.constexpr = BLOCK_W + 2 * HALO
    QUERY_H: tl.constexpr = BLOCK_H // STRIDE
    QUERY_W: tl.constexpr = BLOCK_W // STRIDE
    TILES: tl.constexpr = (QUERY_H * QUERY_W + QUERIES - 1) // QUERIES
    ROWS_H: tl.constexpr = SIDE_H + QUERY_H - 1
    ROWS_W: tl.constexpr = SIDE_W + QUERY_W - 1
    rows, columns = height // BLOCK_H, width // BLOCK_W
    program = tl.program_id(0)

    distance, channel = tl.arange(0, ROWS), tl.arange(0, D)
    real_row = distance < ROWS_H + ROWS_W
    part = program.to(tl.int64) * ((ROWS_H + ROWS_W) * HEAD_DIM)
    part = table_parts + part + distance[:, None] * HEAD_DIM + channel[None, :]
    real_part = real_row[:, None] & (channel < HEAD_DIM)[None, :]
    first = program * items_each
    for item in range(first, tl.minimum(first + items_each, items)):
        block_h, block_w, head, batch = _numbered(item // TILES, rows, columns, heads)
        # never less than 0; a number that a compiler does not know keeps what follows from it out of registers meanwhile
        tile = item % TILES + tl.minimum(item, 0)
        query_h, query_w, query_row, query_column, seen = _queries(tile, block_h, block_w, QUERY_H, QUERY_W, QUERIES)
        q = _read(q_pointer + batch * q_b + head * HEAD_DIM * q_c, query_row * q_h + query_column * q_w, seen, q_c, HEAD_DIM, D)
        q = tl.trans(q)  # [queries, D]
        table = _read_rows(tables, distance, real_row, HEAD_DIM, D)
        index = _distances(query_h[:, None], query_w[:, None], tl.arange(0, SIDES)[None, :], SIDE_H, QUERY_H, QUERY_W)
        by_side = _taken(tl.dot(q, tl.trans(table), input_precision=PRECISION), index, 1).to(q.dtype)  # [queries, SIDES]

        offset = query_row * grad_h + query_column * grad_w
        grad = _read(grad_pointer + batch * grad_b + head * VALUE_DIM * grad_c, offset, seen, grad_c, VALUE_DIM, E)
        offset = query_row * y_h + query_column * y_w
        y = _read(y_pointer + batch * y_b + head * VALUE_DIM * y_c, offset, seen, y_c, VALUE_DIM, E)
        delta = tl.sum(grad.to(tl.float32) * y.to(tl.float32), 0)
        grad = tl.trans(grad)  # [queries, E]
        place = (batch * heads + head) * (rows * QUERY_H * columns * QUERY_W) + query_row * (columns * QUERY_W) + query_column
        tl.store(delta_pointer + place, delta, mask=seen)
        lse = tl.load(lse_pointer + place, mask=seen, other=0.0)

        own = kv_pointer + batch * kv_b + head * (HEAD_DIM + VALUE_DIM) * kv_c
        top_row, left_column = block_h * BLOCK_H - HALO, block_w * BLOCK_W - HALO
        from_keys = tl.zeros([QUERIES, D], tl.float32)
        total = tl.zeros([QUERIES], tl.float32)
        by_side_grad = tl.zeros([QUERIES, SIDES], tl.float32)
        for start in range(0, SIDE_H * SIDE_W, KEYS):
            key_h, key_w, row, column, real, inside = _keys(start, top_row, left_column, height, width, SIDE_H, SIDE_W, KEYS)
            key_offset = row * kv_h + column * kv_w
            k = _read(own, key_offset, inside, kv_c, HEAD_DIM, D)
            v = _read(own + HEAD_DIM * kv_c, key_offset, inside, kv_c, VALUE_DIM, E)
            sides = _sides_of(key_h, key_w, SIDE_H, SIDES, q.dtype)
            logits = tl.dot(q, k, input_precision=PRECISION) * scale
            logits = tl.dot(by_side, sides, logits, input_precision=PRECISION)
            # the difference is taken before the base is changed: less is rounded
            weights = tl.where(real[None, :], tl.exp2((logits - lse[:, None]) * _LOG2_E), 0.0)
            if EXACT:
                total += tl.sum(weights, 1)
            changes = (weights * (tl.dot(grad, v, input_precision=PRECISION) - delta[:, None])).to(q.dtype)
            from_keys = tl.dot(changes, tl.trans(k), from_keys, input_precision=PRECISION)
            by_side_grad = tl.dot(changes, tl.trans(sides), by_side_grad, input_precision=PRECISION)

        if EXACT:
            # weights add up to 1 as far as their logarithm could be stored; what is missing is told to the other kernel
            tl.store(total_pointer + place, total, mask=seen)
            from_keys, by_side_grad = from_keys / total[:, None], by_side_grad / total[:, None]
        # gradients by rows and columns of the window as those by rows of the tables
        of_row = (distance < ROWS_H)[None, :]
        side = distance[None, :] - tl.where(of_row, QUERY_H - 1 - query_h[:, None], ROWS_H + QUERY_W - 1 - query_w[:, None])
        real = (side >= 0) & (side < tl.where(of_row, SIDE_H, SIDE_W))
        products = tl.where(real, _taken(by_side_grad, tl.where(of_row, side, side + SIDE_H), 1), 0.0).to(q.dtype)
        # what a program adds to the tables is summed in memory of its own: registers are scarce
        tl.debug_barrier()
        summed = tl.load(part, mask=real_part & (item > first), other=0.0)
        tl.store(part, tl.dot(tl.trans(products), q, summed, input_precision=PRECISION), mask=real_part)
        table = _read_rows(tables, distance, real_row, HEAD_DIM, D)
        found = tl.trans(tl.dot(products, table, from_keys * scale, input_precision=PRECISION))
        offset = query_row * to_h + query_column * to_w
        _write(q_grad + batch * to_b + head * HEAD_DIM * to_c, found, offset, seen, to_c, HEAD_DIM, D)


# --- gradients of keys and values -------------------------------------------------------------------------------------


@triton.jit
def _key_gradients(
    grad_pointer,
    q_pointer,
    kv_pointer,
    tables,
    lse_pointer,
    delta_pointer,
    total_pointer,
    kv_grad,
    grad_b,
    grad_c,
    grad_h,
    grad_w,
    q_b,
    q_c,
    q_h,
    q_w,
    kv_b,
    kv_c,
    kv_h,
    kv_w,
    to_b,
    to_c,
    to_h,
    to_w,
    height,
    width,
    heads,
    scale,
    HEAD_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    HALO: tl.constexpr,
    STRIDE: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS_H: tl.constexpr,
    KEYS_W: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    SIDES: tl.constexpr,
    ROWS: tl.constexpr,
    EXACT: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A tile of KEYS_H x KEYS_W positions of the map, of one head, and all blocks that see some of them."""
    SIDE_H: tl.constexpr = BLOCK_H + 2 * HALO
    SIDE_W: tl.constexpr = BLOCK_W + 2 * HALO
    QUERY_H: tl.constexpr = BLOCK_H // STRIDE
    QUERY_W: tl.constexpr = BLOCK_W // STRIDE
    TILES: tl.constexpr = (QUERY_H * QUERY_W + QUERIES - 1) // QUERIES
    ROWS_H: tl.constexpr = SIDE_H + QUERY_H - 1
    ROWS_W: tl.constexpr = SIDE_W + QUERY_W - 1
    # of these the rows that keys of the tile lead to
    NEAR_H: tl.constexpr = KEYS_H + QUERY_H - 1
    NEAR_W: tl.constexpr = KEYS_W + QUERY_W - 1
    rows, columns = height // BLOCK_H, width // BLOCK_W

    tile_h, tile_w, head, batch = _numbered(tl.program_id(0), tl.cdiv(height, KEYS_H), tl.cdiv(width, KEYS_W), heads)
    top, left = tile_h * KEYS_H, tile_w * KEYS_W
    key = tl.arange(0, KEYS_H * KEYS_W)
    row, column = top + key // KEYS_W, left + key % KEYS_W
    inside = (row < height) & (column < width)
    own = kv_pointer + batch * kv_b + head * (HEAD_DIM + VALUE_DIM) * kv_c
    key_offset = row * kv_h + column * kv_w
    k = tl.trans(_read(own, key_offset, inside, kv_c, HEAD_DIM, D))  # [keys, D]
    v = tl.trans(_read(own + HEAD_DIM * kv_c, key_offset, inside, kv_c, VALUE_DIM, E))

    sides = tl.trans(_sides_of(key // KEYS_W, key % KEYS_W, KEYS_H, SIDES, k.dtype))  # [keys, SIDES]
    side, distance = tl.arange(0, SIDES)[:, None], tl.arange(0, ROWS)

    # the blocks whose windows reach into the tile
    first_h, first_w = tl.maximum(top - HALO, 0) // BLOCK_H, tl.maximum(left - HALO, 0) // BLOCK_W
    last_h = tl.minimum((tl.minimum(top + KEYS_H, height) + HALO - 1) // BLOCK_H, rows - 1)
    last_w = tl.minimum((tl.minimum(left + KEYS_W, width) + HALO - 1) // BLOCK_W, columns - 1)
    seers_w = last_w - first_w + 1
    seers = (last_h - first_h + 1) * seers_w

    k_grad = tl.zeros([KEYS_H * KEYS_W, D], tl.float32)
    v_grad = tl.zeros([KEYS_H * KEYS_W, E], tl.float32)
    for item in range(seers * TILES):
        block_h, block_w = first_h + item // TILES // seers_w, first_w + item // TILES % seers_w
        query_h, query_w, query_row, query_column, seen = _queries(item % TILES, block_h, block_w, QUERY_H, QUERY_W, QUERIES)
        q = _read(q_pointer + batch * q_b + head * HEAD_DIM * q_c, query_row * q_h + query_column * q_w, seen, q_c, HEAD_DIM, D)
        offset = query_row * grad_h + query_column * grad_w
        grad = _read(grad_pointer + batch * grad_b + head * VALUE_DIM * grad_c, offset, seen, grad_c, VALUE_DIM, E)
        place = (batch * heads + head) * (rows * QUERY_H * columns * QUERY_W) + query_row * (columns * QUERY_W) + query_column
        lse = tl.load(lse_pointer + place, mask=seen, other=0.0)
        delta = tl.load(delta_pointer + place, mask=seen, other=0.0)

        window_top, window_left = block_h * BLOCK_H - HALO, block_w * BLOCK_W - HALO
        of_row = distance < NEAR_H
        table_row = distance + tl.where(of_row, top - window_top, left - window_left - NEAR_H)
        real = (table_row >= 0) & (table_row < tl.where(of_row, ROWS_H, ROWS_W)) & (distance < NEAR_H + NEAR_W)
        table = _read_rows(tables, table_row + tl.where(of_row, 0, ROWS_H), real, HEAD_DIM, D)
        index = _distances(query_h[None, :], query_w[None, :], side, KEYS_H, QUERY_H, QUERY_W)
        by_side = _taken(tl.dot(table, q, input_precision=PRECISION), index, 0).to(q.dtype)  # [SIDES, queries]

        key_h, key_w = row - window_top, column - window_left
        near = inside & (key_h >= 0) & (key_h < SIDE_H) & (key_w >= 0) & (key_w < SIDE_W)
        logits = tl.dot(k, q, input_precision=PRECISION) * scale
        logits = tl.dot(sides, by_side, logits, input_precision=PRECISION)
        weights = tl.where(near[:, None], tl.exp2((logits - lse[None, :]) * _LOG2_E), 0.0)
        if EXACT:
            weights = weights / tl.load(total_pointer + place, mask=seen, other=1.0)[None, :]
        v_grad = tl.dot(weights.to(q.dtype), tl.trans(grad), v_grad, input_precision=PRECISION)
        changes = (weights * (tl.dot(v, grad, input_precision=PRECISION) - delta[None, :])).to(q.dtype)
        k_grad = tl.dot(changes, tl.trans(q), k_grad, input_precision=PRECISION)

    own = kv_grad + batch * to_b + head * (HEAD_DIM + VALUE_DIM) * to_c
    offset = row * to_h + column * to_w
    _write(own, tl.trans(k_grad * scale), offset, inside, to_c, HEAD_DIM, D)
    _write(own + HEAD_DIM * to_c, tl.trans(v_grad), offset, inside, to_c, VALUE_DIM, E)


# --- launchers --------------------------------------------------------------------------------------------------------


def forward(
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
    """The outputs of `halo_attention`."""
    arguments = (q, kv, height_rel, width_rel, heads, block_height, block_width, halo, query_stride, scale)
    y, lse = halo_attention.allocate(*arguments)
    shape = _Shape(q, kv, height_rel, heads, (block_height, block_width), halo, query_stride)
    tables = shape.read(height_rel, width_rel)
    use = shape.configuration("forward", q)
    _forward[(shape.blocks * tiles(shape.queries, use["QUERIES"]),)](
        q,
        kv,
        tables,
        y,
        lse,
        *q.stride(),
        *kv.stride(),
        *y.stride(),
        *shape.sizes,
        scale,
        **shape.constants,
        **shape.channels,
        **shape.window,
        **use,
        PRECISION=precision(q.dtype),
    )
    return y, lse


def backward(
    grad: Tensor,
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
    y: Tensor,
    lse: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of q, kv, height_rel and width_rel."""
    q_grad, kv_grad = torch.empty_like(q), torch.empty_like(kv)
    table_grads = torch.empty_like(height_rel), torch.empty_like(width_rel)
    shape = _Shape(q, kv, height_rel, heads, (block_height, block_width), halo, query_stride)
    tables = shape.read(height_rel, width_rel)
    common: dict[str, Any] = {**shape.constants, "EXACT": q.dtype == torch.float32, "PRECISION": precision(q.dtype)}

    strides = (*grad.stride(), *q.stride(), *kv.stride())

    use = shape.configuration("query_gradients", q)
    of_block = tiles(shape.queries, use["QUERIES"])
    items = shape.blocks * of_block
    each = max(1, min(use.pop("BLOCKS") * of_block, items // _LEAST_PARTS))
    programs = tiles(items, each)
    parts = torch.empty((programs, *tables.shape), dtype=torch.float32, device=q.device)
    delta = torch.empty_like(lse)
    total = torch.empty_like(lse) if common["EXACT"] else delta
    _query_gradients[(programs,)](
        grad,
        q,
        kv,
        tables,
        y,
        lse,
        q_grad,
        parts,
        delta,
        total,
        *strides,
        *y.stride(),
        *q_grad.stride(),
        *shape.sizes,
        items,
        each,
        scale,
        **shape.channels,
        **shape.window,
        **common,
        **use,
    )
    shape.write(parts.sum(0), *table_grads)

    use = shape.configuration("key_gradients", q)
    keys = (use["KEYS_H"], use["KEYS_W"])
    key_tiles = math.prod(tiles(*pair) for pair in zip(kv.shape[2:], keys, strict=True))
    _key_gradients[(kv.shape[0] * heads * key_tiles,)](
        grad,
        q,
        kv,
        tables,
        lse,
        delta,
        total,
        kv_grad,
        *strides,
        *kv_grad.stride(),
        *shape.sizes,
        scale,
        **shape.channels,
        SIDES=tile(sum(keys)),
        ROWS=tile(sum(keys) + (block_height + block_width) // query_stride - 2),
        **common,
        **use,
    )
    return q_grad, kv_grad, *table_grads


class _Shape:
    """What the kernels are compiled for: `constants`, and sides of tiles for `channels` and for all of a `window`."""

    def __init__(
        self, q: Tensor, kv: Tensor, height_rel: Tensor, heads: int, block: tuple[int, int], halo: int, stride: int
    ) -> None:
        for tensor in (q, kv):
            if sum((size - 1) * stride for size, stride in zip(tensor.shape[1:], tensor.stride()[1:], strict=True)) >= 2**31:
                raise ValueError(f"images of {tuple(tensor.shape)} lie further apart than the kernel can address: copy them")
        self.head_dim = height_rel.shape[1]
        self.value_dim = kv.shape[1] // heads - self.head_dim
        self.sizes = (*kv.shape[2:], heads)
        self.queries = (block[0] // stride) * (block[1] // stride)
        self.blocks = kv.shape[0] * heads * (kv.shape[2] // block[0]) * (kv.shape[3] // block[1])
        self.constants = {"HEAD_DIM": self.head_dim, "VALUE_DIM": self.value_dim, "HALO": halo, "STRIDE": stride}
        self.constants |= {"BLOCK_H": block[0], "BLOCK_W": block[1]}
        sides = [side + 2 * halo for side in block]
        self.channels = {"D": tile(self.head_dim), "E": tile(self.value_dim)}
        self.rows = [side + of_block // stride - 1 for side, of_block in zip(sides, block, strict=True)]
        self.window = {"SIDES": tile(sum(sides)), "ROWS": tile(sum(self.rows))}

    def read(self, height_rel: Tensor, width_rel: Tensor) -> Tensor:
        """The rows of both tables that are ever read, the last of each, one table after the other."""
        return torch.cat((height_rel[-self.rows[0] :], width_rel[-self.rows[1] :]))

    def write(self, found: Tensor, height_rel: Tensor, width_rel: Tensor) -> None:
        """Write gradients of the rows that are read into those of the tables; of the others they are zero."""
        for table, rows, part in zip((height_rel, width_rel), self.rows, found.split(self.rows), strict=True):
            table[:-rows] = 0
            table[-rows:] = part

    def configuration(self, kernel: str, q: Tensor) -> dict[str, int]:
        """How to launch one of the kernels; constants are in capitals, as it takes them."""
        found = configuration(_TABLE, kernel, q, head_dim=self.head_dim, value_dim=self.value_dim, queries=self.queries)
        found["queries"] = min(found["queries"], tile(self.queries))
        return {name if name.startswith("num_") else name.upper(): number for name, number in found.items()}
