"""The kernels of `aggregated_attention`. README.md says what each program computes."""

from math import gcd
from pathlib import Path

import torch
import triton
import triton.language as tl

from archdsl.kernels.configuration import configuration
from archdsl.kernels.operator import normalisers
from archdsl.kernels.tiles import precision, tile, tiles

_TABLE = Path(__file__).with_name("configurations.json")
_LOG2E = tl.constexpr(1.4426950408889634)
# the least length that vectors are divided by
_LEAST = tl.constexpr(1e-12)
# below all logits, and finite
_LOWEST = tl.constexpr(-1e30)
# the largest window of which the logits stay in registers; those of larger ones are computed twice
_UNROLLED = tl.constexpr(9)
# whatever these numbers are, the same kernel runs
_ANY = ("batch", "heads", "height", "width", "images", "chunk")


@triton.jit
def _tile(index, height, width, TALL: tl.constexpr, WIDE: tl.constexpr):
    """Of a tile row and column of its corner, those of its positions from there, which are in the map, places from there."""
    across = tl.cdiv(width, WIDE)
    row, column = index // across * TALL, index % across * WIDE
    places = tl.arange(0, TALL * WIDE)
    down, right = places // WIDE, places % WIDE
    valid = (row + down < height) & (column + right < width)
    # those outside are taken for the first one where nothing depends on them
    return row, column, down, right, valid, tl.where(valid, down * width + right, 0)


@triton.jit
def _at(tensor, image, row, column, down, right, lanes, by_image, by_row, by_column, UNIT: tl.constexpr):
    """Pointers to the heads of a tile of positions. Strides are given in units, so that they are seen to be aligned."""
    corner = tl.cast(image, tl.int64) * by_image + tl.cast(row, tl.int64) * by_row + tl.cast(column, tl.int64) * by_column
    return tensor + corner * UNIT + ((down * by_row + right * by_column) * UNIT)[:, None] + lanes[None, :]


@triton.jit
def _inside(row, column, height, width):
    return (row >= 0) & (row < height) & (column >= 0) & (column < width)


@triton.jit
def _inverse_length(x):
    """Of each row one over its length."""
    return tl.rsqrt(tl.maximum(tl.sum(x * x, 1), _LEAST * _LEAST))


@triton.jit
def _through_length(gradient, unit, inverse):
    """The gradient of vectors, from that of what is left when they are divided by their length."""
    # where the length is the least one, it does not depend on the vector; one over it was rounded
    along = tl.where(inverse * _LEAST < 0.999, tl.sum(unit * gradient, 1), 0.0)
    return (gradient - unit * along[:, None]) * inverse[:, None]


@triton.jit
def _log_places(row, column, height, width, cells, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The logarithm of how many places and cells a position attends to."""
    tall = tl.minimum(row + ROWS // 2, height - 1) - tl.maximum(row - ROWS // 2, 0) + 1
    wide = tl.minimum(column + COLUMNS // 2, width - 1) - tl.maximum(column - COLUMNS // 2, 0) + 1
    # positions outside of the map may have no places
    return tl.log((tl.maximum(tall, 0) * tl.maximum(wide, 0) + cells).to(tl.float32))


@triton.jit
def _far(like, far_kv, cell, cells, by_cell, channels, UNIT: tl.constexpr, HEAD: tl.constexpr, HEAD_TILE: tl.constexpr):
    """Keys, of length 1, and values of cells of an image and a head."""
    lanes = tl.arange(0, HEAD_TILE)
    kept = (cell < cells)[:, None] & (lanes < HEAD)[None, :]
    at = far_kv + (cell * by_cell * UNIT)[:, None] + lanes[None, :]
    k = tl.load(at, mask=kept, other=0.0).to(tl.float32)
    v = tl.load(at + channels, mask=kept, other=0.0)
    return (k * _inverse_length(k)[:, None]).to(like.dtype), v.to(like.dtype)


@triton.jit
def _bias(far_bias, head, row, column, place, cell, height, width, cells):
    """The bias of a head between places of a tile and cells; minus infinity where there are no cells."""
    at = far_bias + ((tl.cast(head, tl.int64) * height + row) * width + column) * cells
    at = at + (place * cells)[:, None] + cell[None, :]
    return tl.load(at, mask=(cell < cells)[None, :], other=float("-inf")).to(tl.float32)


@triton.jit
def _near(
    kv, query, scale, bias, tap, row, column, valid, within, height, width, kv_h, kv_w,
    UNIT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The logits of one of the neighbours of positions, its keys, one over their lengths, which there are and where."""
    up, left = tap // COLUMNS - ROWS // 2, tap % COLUMNS - COLUMNS // 2
    inside = valid & _inside(row + up, column + left, height, width)
    step = (up * kv_h + left * kv_w) * UNIT
    k = tl.load(kv + step, mask=inside[:, None] & within[None, :], other=0.0).to(tl.float32)
    inverse = _inverse_length(k)
    logit = tl.sum(query * k, 1) * inverse * scale + tl.load(bias + tap).to(tl.float32)
    return tl.where(inside, logit, float("-inf")), k, inverse, inside, step


@triton.jit
def _added(result, weight, values, inside, within, own, tokens, token_bias, tap):
    """The result and the values of one of the neighbours, by their weights and by what the learnable tokens say."""
    v = tl.load(values, mask=inside[:, None] & within[None, :], other=0.0).to(tl.float32)
    token = tl.load(tokens + tap, mask=within, other=0.0).to(tl.float32)
    learned = tl.sum(own * token[None, :], 1) + tl.load(token_bias + tap).to(tl.float32)
    return result + (weight + learned)[:, None] * v


@triton.jit(do_not_specialize=_ANY)
def _forward(
    q, kv, far_kv, embedding, sharpness, local_bias, tokens, token_bias, far_bias, y, lse,
    q_b, q_h, q_w, kv_b, kv_h, kv_w, far_b, far_m, heads, height, width, cells,
    UNIT: tl.constexpr, HEAD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_TILE: tl.constexpr,
    TALL: tl.constexpr, WIDE: tl.constexpr, CELL_TILE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The result and its normaliser, of a tile of positions of an image and a head."""
    TAPS: tl.constexpr = ROWS * COLUMNS
    number = tl.program_id(0)
    head = number % heads
    count = tl.cdiv(height, TALL) * tl.cdiv(width, WIDE)
    image = number // heads // count
    row, column, down, right, valid, place = _tile(number // heads % count, height, width, TALL, WIDE)
    channels = heads * HEAD
    lanes = tl.arange(0, HEAD_TILE)
    within = lanes < HEAD
    kept = valid[:, None] & within[None, :]

    at = _at(q + head * HEAD, image, row, column, down, right, lanes, q_b, q_h, q_w, UNIT)
    own = tl.load(at, mask=kept, other=0.0).to(tl.float32)
    inverse = _inverse_length(own)
    own = own * inverse[:, None]
    query = own + tl.load(embedding + head * HEAD + lanes, mask=within, other=0.0).to(tl.float32)[None, :]
    scale = _log_places(row + down, column + right, height, width, cells, ROWS, COLUMNS)
    scale = scale * tl.load(sharpness + head).to(tl.float32)

    far_kv += tl.cast(image, tl.int64) * far_b * UNIT + head * HEAD
    narrow = query.to(q.dtype.element_ty)
    most = tl.full([TALL * WIDE], _LOWEST, tl.float32)
    total = tl.zeros([TALL * WIDE], tl.float32)
    result = tl.zeros([TALL * WIDE, HEAD_TILE], tl.float32)
    for first in range(0, cells, CELL_TILE):
        cell = first + tl.arange(0, CELL_TILE)
        far_k, far_v = _far(narrow, far_kv, cell, cells, far_m, channels, UNIT, HEAD, HEAD_TILE)
        bias = _bias(far_bias, head, row, column, place, cell, height, width, cells)
        logits = tl.dot(narrow, tl.trans(far_k), input_precision=PRECISION) * scale[:, None] + bias
        new = tl.maximum(most, tl.max(logits, 1))
        shrink = tl.exp2((most - new) * _LOG2E)
        far_weight = tl.exp2((logits - new[:, None]) * _LOG2E)
        total = total * shrink + tl.sum(far_weight, 1)
        result = result * shrink[:, None] + tl.dot(far_weight.to(far_v.dtype), far_v, input_precision=PRECISION)
        most = new

    at = _at(kv + head * HEAD, image, row, column, down, right, lanes, kv_b, kv_h, kv_w, UNIT)
    local_bias += head * TAPS
    tokens += (head * HEAD + lanes) * TAPS
    token_bias += head * TAPS
    before = most
    if TAPS <= _UNROLLED:
        near = ()
        for tap in tl.static_range(TAPS):
            logit, _, _, _, _ = _near(
                at, query, scale, local_bias, tap, row + down, column + right, valid, within, height, width, kv_h, kv_w,
                UNIT, ROWS, COLUMNS,
            )  # fmt: skip
            most = tl.maximum(most, logit)
            near = near + (logit,)  # noqa: RUF005 - Triton does not unpack tuples
        total = total * tl.exp2((before - most) * _LOG2E)
        for tap in tl.static_range(TAPS):
            total += tl.exp2((near[tap] - most) * _LOG2E)
        result = result * (tl.exp2((before - most) * _LOG2E) / total)[:, None]
        for tap in tl.static_range(TAPS):
            up, left = tap // COLUMNS - ROWS // 2, tap % COLUMNS - COLUMNS // 2
            inside = valid & _inside(row + down + up, column + right + left, height, width)
            weight = tl.exp2((near[tap] - most) * _LOG2E) / total
            values = at + (up * kv_h + left * kv_w) * UNIT + channels
            result = _added(result, weight, values, inside, within, own, tokens, token_bias, tap)
    else:
        for tap in range(TAPS):
            logit, _, _, _, _ = _near(
                at, query, scale, local_bias, tap, row + down, column + right, valid, within, height, width, kv_h, kv_w,
                UNIT, ROWS, COLUMNS,
            )  # fmt: skip
            new = tl.maximum(most, logit)
            total = total * tl.exp2((most - new) * _LOG2E) + tl.exp2((logit - new) * _LOG2E)
            most = new
        result = result * (tl.exp2((before - most) * _LOG2E) / total)[:, None]
        for tap in range(TAPS):
            logit, _, _, inside, step = _near(
                at, query, scale, local_bias, tap, row + down, column + right, valid, within, height, width, kv_h, kv_w,
                UNIT, ROWS, COLUMNS,
            )  # fmt: skip
            weight = tl.exp2((logit - most) * _LOG2E) / total
            result = _added(result, weight, at + step + channels, inside, within, own, tokens, token_bias, tap)

    corner = (tl.cast(image, tl.int64) * height + row) * width + column
    tl.store(y + corner * channels + head * HEAD + (place * channels)[:, None] + lanes[None, :], result, mask=kept)
    tl.store(lse + corner * heads + head + place * heads, most + tl.log(total), mask=valid)


@triton.jit(do_not_specialize=_ANY)
def _queries(
    q, kv, far_kv, embedding, sharpness, local_bias, tokens, token_bias, far_bias, grad, lse, d_q, delta, mend, shares,
    q_b, q_h, q_w, kv_b, kv_h, kv_w, far_b, far_m, grad_b, grad_h, grad_w, d_q_b, d_q_h, d_q_w,
    heads, height, width, cells,
    UNIT: tl.constexpr, HEAD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_TILE: tl.constexpr,
    TAP_TILE: tl.constexpr, TALL: tl.constexpr, WIDE: tl.constexpr, CELL_TILE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradient of the queries of a tile of an image and a head, and its share in those of the weights."""
    TAPS: tl.constexpr = ROWS * COLUMNS
    SIZE: tl.constexpr = TALL * WIDE
    number = tl.program_id(0)
    head = number % heads
    count = tl.cdiv(height, TALL) * tl.cdiv(width, WIDE)
    image = number // heads // count
    row, column, down, right, valid, place = _tile(number // heads % count, height, width, TALL, WIDE)
    channels = heads * HEAD
    lanes = tl.arange(0, HEAD_TILE)
    taps = tl.arange(0, TAP_TILE)
    within = lanes < HEAD
    kept = valid[:, None] & within[None, :]
    embedded = tl.load(embedding + head * HEAD + lanes, mask=within, other=0.0).to(tl.float32)
    log_places = _log_places(row + down, column + right, height, width, cells, ROWS, COLUMNS)
    sharp = tl.load(sharpness + head).to(tl.float32)
    scale = log_places * sharp
    of_head = within[:, None] & (taps < TAPS)[None, :]
    token = tl.load(tokens + ((head * HEAD + lanes) * TAPS)[:, None] + taps[None, :], mask=of_head, other=0.0)
    token = token.to(q.dtype.element_ty)

    at = _at(q + head * HEAD, image, row, column, down, right, lanes, q_b, q_h, q_w, UNIT)
    own = tl.load(at, mask=kept, other=0.0).to(tl.float32)
    inverse = _inverse_length(own)
    own = own * inverse[:, None]
    query = own + embedded[None, :]
    at = _at(grad + head * HEAD, image, row, column, down, right, lanes, grad_b, grad_h, grad_w, UNIT)
    g = tl.load(at, mask=kept, other=0.0).to(tl.float32)
    corner = ((tl.cast(image, tl.int64) * height + row) * width + column) * heads + head
    norm = tl.load(lse + corner + place * heads, mask=valid, other=float("inf"))

    far_at = far_kv + tl.cast(image, tl.int64) * far_b * UNIT + head * HEAD
    narrow, narrow_g = query.to(token.dtype), g.to(token.dtype)
    # the mean gradient of the weights, first of the cells
    drop = tl.zeros([SIZE], tl.float32)
    total = tl.zeros([SIZE], tl.float32)
    for first in range(0, cells, CELL_TILE):
        cell = first + tl.arange(0, CELL_TILE)
        far_k, far_v = _far(narrow, far_at, cell, cells, far_m, channels, UNIT, HEAD, HEAD_TILE)
        bias = _bias(far_bias, head, row, column, place, cell, height, width, cells)
        logits = tl.dot(narrow, tl.trans(far_k), input_precision=PRECISION) * scale[:, None] + bias
        far_weight = tl.exp2((logits - norm[:, None]) * _LOG2E)
        drop += tl.sum(far_weight * tl.dot(narrow_g, tl.trans(far_v), input_precision=PRECISION), 1)
        total += tl.sum(far_weight, 1)
    at = _at(kv + head * HEAD, image, row, column, down, right, lanes, kv_b, kv_h, kv_w, UNIT)
    weights = tl.zeros([SIZE, TAP_TILE], tl.float32)
    d_weights = tl.zeros([SIZE, TAP_TILE], tl.float32)
    # sums of keys, by their weights times the gradients of these, and by their weights
    pulled = tl.zeros([SIZE, HEAD_TILE], tl.float32)
    mean = tl.zeros([SIZE, HEAD_TILE], tl.float32)
    for tap in range(TAPS):
        logit, k, shrink, inside, step = _near(
            at, query, scale, local_bias + head * TAPS, tap, row + down, column + right, valid, within, height, width,
            kv_h, kv_w, UNIT, ROWS, COLUMNS,
        )  # fmt: skip
        v = tl.load(at + step + channels, mask=inside[:, None] & within[None, :], other=0.0).to(tl.float32)
        weight = tl.where(inside, tl.exp2((logit - norm) * _LOG2E), 0.0)
        d_weight = tl.sum(g * v, 1)
        drop += weight * d_weight
        total += weight
        pulled += (weight * d_weight * shrink)[:, None] * k
        mean += (weight * shrink)[:, None] * k
        weights = tl.where(taps[None, :] == tap, weight[:, None], weights)
        d_weights = tl.where(taps[None, :] == tap, d_weight[:, None], d_weights)

    # the normaliser was rounded: weights shall sum to 1 as closely as the logits tell
    whole = 1.0 / tl.where(valid, total, 1.0)
    drop = drop * whole
    d_query = (pulled - drop[:, None] * mean) * whole[:, None]
    for first in range(0, cells, CELL_TILE):
        cell = first + tl.arange(0, CELL_TILE)
        far_k, far_v = _far(narrow, far_at, cell, cells, far_m, channels, UNIT, HEAD, HEAD_TILE)
        bias = _bias(far_bias, head, row, column, place, cell, height, width, cells)
        logits = tl.dot(narrow, tl.trans(far_k), input_precision=PRECISION) * scale[:, None] + bias
        far_weight = tl.exp2((logits - norm[:, None]) * _LOG2E) * whole[:, None]
        d_logits = far_weight * (tl.dot(narrow_g, tl.trans(far_v), input_precision=PRECISION) - drop[:, None])
        d_query += tl.dot(d_logits.to(far_k.dtype), far_k, input_precision=PRECISION)

    tl.store(delta + corner + place * heads, drop, mask=valid)
    tl.store(mend + corner + place * heads, whole, mask=valid)
    d_local = weights * (d_weights - drop[:, None]) * whole[:, None]
    narrow_d = d_weights.to(token.dtype)
    d_tokens = tl.dot(tl.trans(own.to(token.dtype)), narrow_d, input_precision=PRECISION)
    d_query = d_query * log_places[:, None]
    d_own = d_query * sharp + tl.dot(narrow_d, tl.trans(token), input_precision=PRECISION)
    at = _at(d_q + head * HEAD, image, row, column, down, right, lanes, d_q_b, d_q_h, d_q_w, UNIT)
    tl.store(at, _through_length(d_own, own, inverse), mask=kept)

    # of the learnable tokens, the embedding, the biases of the window and of the tokens, the sharpness
    shares += tl.cast(number, tl.int64) * ((HEAD + 2) * TAPS + HEAD + 1)
    tl.store(shares + (lanes * TAPS)[:, None] + taps[None, :], d_tokens, mask=of_head)
    shares += HEAD * TAPS
    d_embedding = tl.sum(d_query, 0)
    tl.store(shares + lanes, d_embedding * sharp, mask=within)
    tl.store(shares + HEAD + taps, tl.sum(d_local, 0), mask=taps < TAPS)
    tl.store(shares + HEAD + TAPS + taps, tl.sum(d_weights, 0), mask=taps < TAPS)
    tl.store(shares + HEAD + 2 * TAPS, tl.sum(tl.sum(query * d_query, 1), 0))


@triton.jit(do_not_specialize=_ANY)
def _neighbours(
    q, kv, embedding, sharpness, local_bias, tokens, token_bias, grad, lse, delta, mend, d_kv,
    q_b, q_h, q_w, kv_b, kv_h, kv_w, grad_b, grad_h, grad_w, d_kv_b, d_kv_h, d_kv_w, heads, height, width, cells,
    UNIT: tl.constexpr, HEAD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_TILE: tl.constexpr,
    TALL: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """The gradients of the keys and values of a tile of positions of an image and a head, from all who see them."""
    TAPS: tl.constexpr = ROWS * COLUMNS
    number = tl.program_id(0)
    head = number % heads
    count = tl.cdiv(height, TALL) * tl.cdiv(width, WIDE)
    image = number // heads // count
    row, column, down, right, valid, _ = _tile(number // heads % count, height, width, TALL, WIDE)
    channels = heads * HEAD
    lanes = tl.arange(0, HEAD_TILE)
    within = lanes < HEAD
    kept = valid[:, None] & within[None, :]
    embedded = tl.load(embedding + head * HEAD + lanes, mask=within, other=0.0).to(tl.float32)
    sharp = tl.load(sharpness + head).to(tl.float32)

    at = _at(kv + head * HEAD, image, row, column, down, right, lanes, kv_b, kv_h, kv_w, UNIT)
    raw = tl.load(at, mask=kept, other=0.0).to(tl.float32)
    v = tl.load(at + channels, mask=kept, other=0.0).to(tl.float32)
    inverse = _inverse_length(raw)
    q_at = _at(q + head * HEAD, image, row, column, down, right, lanes, q_b, q_h, q_w, UNIT)
    grad_at = _at(grad + head * HEAD, image, row, column, down, right, lanes, grad_b, grad_h, grad_w, UNIT)
    corner = ((tl.cast(image, tl.int64) * height + row) * width + column) * heads + head
    d_k = tl.zeros([TALL * WIDE, HEAD_TILE], tl.float32)
    d_v = tl.zeros([TALL * WIDE, HEAD_TILE], tl.float32)
    for tap in range(TAPS):
        # of the position that has this one at `tap`
        up, left = ROWS // 2 - tap // COLUMNS, COLUMNS // 2 - tap % COLUMNS
        there_row, there_column = row + down + up, column + right + left
        inside = valid & _inside(there_row, there_column, height, width)
        loaded = inside[:, None] & within[None, :]
        own = tl.load(q_at + (up * q_h + left * q_w) * UNIT, mask=loaded, other=0.0).to(tl.float32)
        g = tl.load(grad_at + (up * grad_h + left * grad_w) * UNIT, mask=loaded, other=0.0).to(tl.float32)
        seen = corner + ((down + up) * width + right + left) * heads
        norm = tl.load(lse + seen, mask=inside, other=0.0)
        drop = tl.load(delta + seen, mask=inside, other=0.0)
        token = tl.load(tokens + (head * HEAD + lanes) * TAPS + tap, mask=within, other=0.0).to(tl.float32)
        shrink = _inverse_length(own)
        query = own * shrink[:, None] + embedded[None, :]
        scale = _log_places(there_row, there_column, height, width, cells, ROWS, COLUMNS) * sharp
        # as it was when the weights were found to sum to 1
        logit = tl.sum(query * raw, 1) * inverse * scale + tl.load(local_bias + head * TAPS + tap).to(tl.float32)
        weight = tl.where(inside, tl.exp2((logit - norm) * _LOG2E), 0.0) * tl.load(mend + seen, mask=inside, other=0.0)
        d_logit = weight * (tl.sum(g * v, 1) - drop) * scale
        d_k += d_logit[:, None] * query
        learned = tl.sum(own * token[None, :], 1) * shrink + tl.load(token_bias + head * TAPS + tap).to(tl.float32)
        d_v += (weight + learned)[:, None] * g

    d_k = _through_length(d_k, raw * inverse[:, None], inverse)
    at = _at(d_kv + head * HEAD, image, row, column, down, right, lanes, d_kv_b, d_kv_h, d_kv_w, UNIT)
    tl.store(at, d_k, mask=kept)
    tl.store(at + channels, d_v, mask=kept)


@triton.jit
def _of_tile(
    q, embedded, sharp, grad, lse, delta, mend, bias, far_k, far_v, image, head, row, column, down, right, valid, place,
    q_b, q_h, q_w, grad_b, grad_h, grad_w, heads, height, width, cells,
    UNIT: tl.constexpr, HEAD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_TILE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """For a tile of positions and one of cells: weights, gradients of logits, queries and their scales, gradients."""
    lanes = tl.arange(0, HEAD_TILE)
    kept = valid[:, None] & (lanes < HEAD)[None, :]
    at = _at(q + head * HEAD, image, row, column, down, right, lanes, q_b, q_h, q_w, UNIT)
    query = tl.load(at, mask=kept, other=0.0).to(tl.float32)
    query = (query * _inverse_length(query)[:, None] + embedded[None, :]).to(far_k.dtype)
    scale = _log_places(row + down, column + right, height, width, cells, ROWS, COLUMNS) * sharp
    at = _at(grad + head * HEAD, image, row, column, down, right, lanes, grad_b, grad_h, grad_w, UNIT)
    g = tl.load(at, mask=kept, other=0.0).to(far_k.dtype)
    corner = ((tl.cast(image, tl.int64) * height + row) * width + column) * heads + head
    norm = tl.load(lse + corner + place * heads, mask=valid, other=float("inf"))
    drop = tl.load(delta + corner + place * heads, mask=valid, other=0.0)
    whole = tl.load(mend + corner + place * heads, mask=valid, other=0.0)
    logits = tl.dot(query, tl.trans(far_k), input_precision=PRECISION) * scale[:, None] + bias
    weight = tl.exp2((logits - norm[:, None]) * _LOG2E) * whole[:, None]
    d_logits = weight * (tl.dot(g, tl.trans(far_v), input_precision=PRECISION) - drop[:, None])
    return weight, d_logits, query, scale, g


@triton.jit(do_not_specialize=_ANY)
def _cells(
    q, far_kv, embedding, sharpness, far_bias, grad, lse, delta, mend, d_far,
    q_b, q_h, q_w, far_b, far_m, grad_b, grad_h, grad_w, heads, height, width, cells, batch, chunk,
    UNIT: tl.constexpr, HEAD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_TILE: tl.constexpr,
    TALL: tl.constexpr, WIDE: tl.constexpr, CELL_TILE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients of the keys and values of a tile of cells of an image and a head, from a chunk of the positions."""
    number = tl.program_id(0)
    head = number % heads
    first = number // heads % tl.cdiv(cells, CELL_TILE) * CELL_TILE
    number = number // heads // tl.cdiv(cells, CELL_TILE)
    image, part = number % batch, number // batch
    lanes = tl.arange(0, HEAD_TILE)
    within = lanes < HEAD
    embedded = tl.load(embedding + head * HEAD + lanes, mask=within, other=0.0).to(tl.float32)
    sharp = tl.load(sharpness + head).to(tl.float32)

    far_kv += tl.cast(image, tl.int64) * far_b * UNIT + head * HEAD
    channels = heads * HEAD
    cell = first + tl.arange(0, CELL_TILE)
    far_k, far_v = _far(embedded.to(q.dtype.element_ty), far_kv, cell, cells, far_m, channels, UNIT, HEAD, HEAD_TILE)
    d_k = tl.zeros([CELL_TILE, HEAD_TILE], tl.float32)
    d_v = tl.zeros([CELL_TILE, HEAD_TILE], tl.float32)
    count = tl.cdiv(height, TALL) * tl.cdiv(width, WIDE)
    for index in range(part * chunk, tl.minimum((part + 1) * chunk, count)):
        row, column, down, right, valid, place = _tile(index, height, width, TALL, WIDE)
        bias = _bias(far_bias, head, row, column, place, cell, height, width, cells)
        weight, d_logits, query, scale, g = _of_tile(
            q, embedded, sharp, grad, lse, delta, mend, bias, far_k, far_v, image, head, row, column, down, right, valid, place,
            q_b, q_h, q_w, grad_b, grad_h, grad_w, heads, height, width, cells,
            UNIT, HEAD, ROWS, COLUMNS, HEAD_TILE, PRECISION,
        )  # fmt: skip
        d_logits = (d_logits * scale[:, None]).to(query.dtype)
        d_k += tl.dot(tl.trans(d_logits), query, input_precision=PRECISION)
        d_v += tl.dot(tl.trans(weight.to(query.dtype)), g, input_precision=PRECISION)

    kept = (cell < cells)[:, None] & within[None, :]
    at = far_kv + (cell * far_m * UNIT)[:, None] + lanes[None, :]
    # read again, rather than kept in registers all along
    raw = tl.load(at, mask=kept, other=0.0, eviction_policy="evict_first").to(tl.float32)
    inverse = _inverse_length(raw)
    # linear in the gradient, so that chunks may be summed behind it
    d_k = _through_length(d_k, raw * inverse[:, None], inverse)
    at = d_far + (tl.cast(number, tl.int64) * cells + cell)[:, None] * (2 * channels) + head * HEAD + lanes[None, :]
    tl.store(at, d_k, mask=kept)
    tl.store(at + channels, d_v, mask=kept)


@triton.jit(do_not_specialize=_ANY)
def _distances(
    q, far_kv, embedding, sharpness, far_bias, grad, lse, delta, mend, d_bias,
    q_b, q_h, q_w, far_b, far_m, grad_b, grad_h, grad_w, heads, height, width, cells, batch, images,
    UNIT: tl.constexpr, HEAD: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_TILE: tl.constexpr,
    TALL: tl.constexpr, WIDE: tl.constexpr, CELL_TILE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradient of the bias of a head, between a tile of positions and one of cells, from a chunk of the images."""
    number = tl.program_id(0)
    head = number % heads
    first = number // heads % tl.cdiv(cells, CELL_TILE) * CELL_TILE
    number = number // heads // tl.cdiv(cells, CELL_TILE)
    count = tl.cdiv(height, TALL) * tl.cdiv(width, WIDE)
    part = number // count
    row, column, down, right, valid, place = _tile(number % count, height, width, TALL, WIDE)
    lanes = tl.arange(0, HEAD_TILE)
    embedded = tl.load(embedding + head * HEAD + lanes, mask=lanes < HEAD, other=0.0).to(tl.float32)
    sharp = tl.load(sharpness + head).to(tl.float32)
    cell = first + tl.arange(0, CELL_TILE)
    bias = _bias(far_bias, head, row, column, place, cell, height, width, cells)
    like = embedded.to(q.dtype.element_ty)
    found = tl.zeros([TALL * WIDE, CELL_TILE], tl.float32)
    for image in range(part * images, tl.minimum((part + 1) * images, batch)):
        at = far_kv + tl.cast(image, tl.int64) * far_b * UNIT + head * HEAD
        far_k, far_v = _far(like, at, cell, cells, far_m, heads * HEAD, UNIT, HEAD, HEAD_TILE)
        _, d_logits, _, _, _ = _of_tile(
            q, embedded, sharp, grad, lse, delta, mend, bias, far_k, far_v, image, head, row, column, down, right, valid, place,
            q_b, q_h, q_w, grad_b, grad_h, grad_w, heads, height, width, cells,
            UNIT, HEAD, ROWS, COLUMNS, HEAD_TILE, PRECISION,
        )  # fmt: skip
        found += d_logits
    at = d_bias + (tl.cast(part, tl.int64) * heads + head) * height * width * cells
    at = at + ((tl.cast(row, tl.int64) + down) * width + column + right)[:, None] * cells + cell[None, :]
    tl.store(at, found, mask=valid[:, None] & (cell < cells)[None, :])


def forward(q, kv, far_kv, embedding, sharpness, local_bias, tokens, token_bias, far_bias, heads, rows, columns):
    """The result and the logarithms of the sums of exponentials, as `operator.aggregated_attention` says."""
    weights = [each.contiguous() for each in (embedding, sharpness, local_bias, tokens, token_bias, far_bias)]
    q, kv, far_kv = map(_dense, (q, kv, far_kv))
    batch, height, width, _ = q.shape
    y, lse = q.new_empty(q.shape), normalisers(q, (batch, height, width, heads))
    if not y.numel():
        return y, lse
    strides, unit = _strides(q.stride()[:3], kv.stride()[:3], far_kv.stride()[:2])
    use, count, _ = _use("forward", q, far_kv, heads, rows, columns)
    _forward[(heads * count * batch,)](
        q, kv, far_kv, *weights, y, lse, *strides, heads, height, width, far_kv.shape[1], UNIT=unit, **use
    )
    return y, lse


def backward(
    grad, q, kv, far_kv, embedding, sharpness, local_bias, tokens, token_bias, far_bias, heads, rows, columns, y, lse
):  # fmt: skip
    """The gradients of all tensors."""
    given = (q, kv, far_kv, embedding, sharpness, local_bias, tokens, token_bias, far_bias)
    if not y.numel():
        return tuple(map(torch.zeros_like, given))
    weights = [each.contiguous() for each in given[3:]]
    grad, q, kv, far_kv = map(_dense, (grad, q, kv, far_kv))
    batch, height, width, _ = q.shape
    cells, size = far_kv.shape[1], (heads, height, width, far_kv.shape[1])
    d_q, d_kv, delta, mend = _dense_like(given[0]), _dense_like(given[1]), torch.empty_like(lse), torch.empty_like(lse)
    q_by, kv_by, far_by, grad_by = q.stride()[:3], kv.stride()[:3], far_kv.stride()[:2], grad.stride()[:3]

    use, count, _ = _use("queries", q, far_kv, heads, rows, columns)
    sizes = (tokens[0].numel(), embedding[0].numel(), local_bias[0].numel(), token_bias[0].numel(), 1)
    shares = lse.new_empty(batch * count, heads, sum(sizes))
    strides, unit = _strides(q_by, kv_by, far_by, grad_by, d_q.stride()[:3])
    _queries[(heads * count * batch,)](
        q, kv, far_kv, *weights, grad, lse, d_q, delta, mend, shares, *strides, *size,
        UNIT=unit, TAP_TILE=tile(rows * columns), **use,
    )  # fmt: skip
    summed = shares.sum(0).split(sizes, 1)

    use, count, _ = _use("neighbours", q, far_kv, heads, rows, columns)
    strides, unit = _strides(q_by, kv_by, grad_by, d_kv.stride()[:3])
    _neighbours[(heads * count * batch,)](
        q, kv, *weights[:5], grad, lse, delta, mend, d_kv, *strides, *size,
        UNIT=unit, **{name: use[name] for name in use if name not in {"CELL_TILE", "PRECISION"}},
    )  # fmt: skip

    far = (q, far_kv, *weights[:2], weights[5], grad, lse, delta, mend)
    strides, unit = _strides(q_by, far_by, grad_by)
    use, count, programs = _use("cells", q, far_kv, heads, rows, columns)
    across = heads * tiles(cells, use["CELL_TILE"])
    # at most as many parts as make room for as many numbers as there are queries
    most = max(1, height * width // (2 * cells))
    chunk = tiles(count, min(tiles(programs, across * batch), most))
    d_far = _parts(tiles(count, chunk), given[2])
    _cells[(across * batch * tiles(count, chunk),)](*far, d_far, *strides, *size, batch, chunk, UNIT=unit, **use)

    use, count, programs = _use("distances", q, far_kv, heads, rows, columns)
    across = heads * tiles(cells, use["CELL_TILE"])
    images = tiles(batch, tiles(programs, across * count))
    d_bias = _parts(tiles(batch, images), given[8])
    _distances[(across * count * tiles(batch, images),)](*far, d_bias, *strides, *size, batch, images, UNIT=unit, **use)

    d_tokens, d_embedding, d_local, d_learned, d_sharpness = summed
    found = (d_q, d_kv, d_far, d_embedding, d_sharpness.flatten(), d_local, d_tokens, d_learned, d_bias)
    return tuple(_laid_out(*pair) for pair in zip(found, given, strict=True))


def _use(kernel, q, far_kv, heads, rows, columns):
    """What a kernel is compiled with, how many tiles a map has, and how many programs there shall be."""
    _, height, width, channels = q.shape
    head = channels // heads
    use = configuration(_TABLE, kernel, q, head_dim=head, taps=rows * columns)
    programs, cell_tile = use.pop("programs", 0), use.pop("cells", 64)
    tall, wide = use.pop("tall"), use.pop("wide")
    use |= {"HEAD": head, "ROWS": rows, "COLUMNS": columns, "HEAD_TILE": tile(head), "TALL": tall, "WIDE": wide}
    use |= {"CELL_TILE": min(cell_tile, tile(far_kv.shape[1])), "PRECISION": precision(q.dtype)}
    return use, tiles(height, tall) * tiles(width, wide), programs


def _strides(*strides):
    """Strides in units, and the unit, a power of two."""
    flat = [stride for each in strides for stride in each]
    unit = gcd(16, *flat)
    return [stride // unit for stride in flat], unit


def _dense(tensor):
    """A tensor whose last axis is dense: itself, or a copy."""
    return tensor if tensor.stride(-1) == 1 or tensor.shape[-1] == 1 else tensor.contiguous()


def _dense_like(tensor):
    """Room for the gradient of a tensor, with its last axis dense."""
    return _dense(torch.empty_like(tensor))


def _parts(count, like):
    """Room for parts of the gradient of a tensor: the gradient itself where it is one part."""
    gradient = torch.empty_like(like)
    if count == 1 and gradient.is_contiguous():
        return gradient
    return like.new_empty((count, *like.shape), dtype=torch.float32)


def _laid_out(found, like):
    """A gradient as torch wants it, with the format and the strides of `torch.empty_like`; the sum, where it is in parts."""
    gradient = torch.empty_like(like)
    if found.dim() > like.dim():
        found = found.sum(0)
    if found.dtype == gradient.dtype and found.shape == gradient.shape and found.stride() == gradient.stride():
        return found
    return gradient.copy_(found.reshape(like.shape))
