"""The kernels of `routing`: attention of regions to regions inside the map, without a gathered copy, and its gradients.

In the gather form a program has queries of one region and walks through the keys of the regions that it is routed to. In the
dense form it has queries of any regions and walks through the keys of the whole map; bits say which of them count.
"""

from pathlib import Path
from typing import Any, Literal

import torch
import triton
import triton.language as tl
from torch import Tensor

from archdsl.components.token.routing.operator import routing_attention
from archdsl.kernels.configuration import configuration
from archdsl.kernels.tiles import LEAST, precision, tile, tiles

Form = Literal["gather", "dense"]

_TABLE = Path(__file__).with_name("configurations.json")
_WORD = 64
# that one program of the small kernels looks at together
_ROUTES = 1024

_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)


# --- positions and routes -----------------------------------------------------------------------------------------------


@triton.jit
def _place(region, position, COLUMNS: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DENSE: tl.constexpr):
    """Row, column and region of positions: of those of a region in the gather form, of those of the map in the dense form."""
    if DENSE:
        row, column = position // (COLUMNS * WIDTH), position % (COLUMNS * WIDTH)
        region = row // HEIGHT * COLUMNS + column // WIDTH
    else:
        row = region // COLUMNS * HEIGHT + position // WIDTH
        column = region % COLUMNS * WIDTH + position % WIDTH
    return row, column, region


@triton.jit
def _offsets(row, column, channel, stride_h, stride_w, stride_c):
    """Offsets of channels of positions, [positions, channels]."""
    at = row.to(tl.int64) * stride_h + column.to(tl.int64) * stride_w
    return at[:, None] + (channel.to(tl.int64) * stride_c)[None, :]


@triton.jit
def _chosen(bits, selected, query_region, query_present, key_region, key_present, WORDS: tl.constexpr):
    """Whether queries are routed to keys, by the bits of their regions, the first word of which is at hand.

    Queries lie along another axis than keys.
    """
    chosen = key_present & (((bits >> (key_region % 64).to(tl.int64)) & 1) != 0)
    if WORDS > 1:
        chosen = chosen & (key_region < 64)
        for word in tl.static_range(1, WORDS):
            bits = tl.load(selected + query_region * WORDS + word, mask=query_present, other=0)
            bit = (bits >> (key_region % 64).to(tl.int64)) & 1
            chosen = chosen | (key_present & (key_region // 64 == word) & (bit != 0))
    return chosen


@triton.jit
def _bits(selected, region, present, REGIONS: tl.constexpr, DENSE: tl.constexpr):
    """The first words of the bits of regions, which hold all where there are at most 64. The gather form needs none."""
    bits = 0
    if DENSE:
        bits = tl.load(selected + region * ((REGIONS + 63) // 64), mask=present, other=0)
    return bits


@triton.jit
def _select(
    routes, selected, routes_b, routes_r, routes_k, REGIONS: tl.constexpr, TOPK: tl.constexpr, BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr
):  # fmt: skip
    """Bits of the regions that regions of an image are routed to, 64 in a word."""
    WORDS: tl.constexpr = (REGIONS + 63) // 64
    TILES: tl.constexpr = (REGIONS + BLOCK_R - 1) // BLOCK_R
    image = (tl.program_id(0) // TILES).to(tl.int64)
    region = tl.program_id(0) % TILES * BLOCK_R + tl.arange(0, BLOCK_R)
    rank = tl.arange(0, BLOCK_K)
    real = (region < REGIONS)[:, None] & (rank < TOPK)[None, :]
    at = routes + image * routes_b + region.to(tl.int64)[:, None] * routes_r + (rank * routes_k)[None, :]
    routed = tl.load(at, mask=real, other=0).to(tl.int64)
    bit = tl.full([BLOCK_R, BLOCK_K], 1, tl.int64) << (routed % 64)
    for word in tl.static_range(WORDS):
        # the routes of a region differ, so that a sum of their bits has them all
        bits = tl.sum(tl.where(real & (routed // 64 == word), bit, 0), 1)
        tl.store(selected + (image * REGIONS + region) * WORDS + word, bits, mask=region < REGIONS)


@triton.jit
def _invert(
    routes, bounds, selecting, routes_b, routes_r, routes_k, REGIONS: tl.constexpr, TOPK: tl.constexpr, BLOCK: tl.constexpr
):
    """The regions that are routed to one region of an image, in order, and where they begin among those of all regions."""
    region = tl.program_id(0) % REGIONS
    image = (tl.program_id(0) // REGIONS).to(tl.int64)
    routes += image * routes_b
    below = tl.zeros([BLOCK], tl.int32)
    for start in range(0, REGIONS * TOPK, BLOCK):
        entry = start + tl.arange(0, BLOCK)
        at = routes + (entry // TOPK).to(tl.int64) * routes_r + entry % TOPK * routes_k
        below += (tl.load(at, mask=entry < REGIONS * TOPK, other=REGIONS) < region).to(tl.int32)
    first = tl.sum(below)
    bounds += image * (REGIONS + 1)
    tl.store(bounds + region, first)
    # the bound behind the last region, too
    tl.store(bounds + REGIONS, REGIONS * TOPK, mask=region == 0)
    selecting += image * (REGIONS * TOPK)
    for start in range(0, REGIONS * TOPK, BLOCK):
        entry = start + tl.arange(0, BLOCK)
        at = routes + (entry // TOPK).to(tl.int64) * routes_r + entry % TOPK * routes_k
        match = tl.load(at, mask=entry < REGIONS * TOPK, other=REGIONS) == region
        rank = tl.cumsum(match.to(tl.int32), 0)
        tl.store(selecting + first + rank - 1, entry // TOPK, mask=match)
        first += tl.sum(match.to(tl.int32))


# --- attention ----------------------------------------------------------------------------------------------------------


@triton.jit
def _keys(
    qkv, routes, bits, start, query_region, query_present, channel, qkv_h, qkv_w, qkv_c, routes_k,
    CHANNELS: tl.constexpr, HEAD_DIM: tl.constexpr, REGIONS: tl.constexpr, COLUMNS: tl.constexpr, HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr, TOPK: tl.constexpr, DENSE: tl.constexpr, BLOCK_N: tl.constexpr
):  # fmt: skip
    """A tile of the keys that queries walk through, their values, and which of them each query sees."""
    key = start + tl.arange(0, BLOCK_N)
    present = key < TOPK * HEIGHT * WIDTH
    if DENSE:
        present = key < REGIONS * HEIGHT * WIDTH
        row, column, region = _place(0, key, COLUMNS, HEIGHT, WIDTH, True)
        seen = _chosen(
            bits[:, None], routes, query_region[:, None], query_present[:, None], region[None, :], present[None, :],
            (REGIONS + 63) // 64,
        )  # fmt: skip
    else:
        routed = tl.load(routes + key // (HEIGHT * WIDTH) * routes_k, mask=present, other=0).to(tl.int32)
        row, column, region = _place(routed, key % (HEIGHT * WIDTH), COLUMNS, HEIGHT, WIDTH, False)
        seen = present[None, :]
    third = tl.full([], CHANNELS, tl.int64) * qkv_c
    at = qkv + _offsets(row, column, channel, qkv_h, qkv_w, qkv_c) + third
    real = present[:, None] & (channel < HEAD_DIM)[None, :]
    k = tl.load(at, mask=real, other=0.0)
    v = tl.load(at + third, mask=real, other=0.0)
    return k, v, seen


@triton.jit
def _forward(
    qkv, routes, y, lse, qkv_b, qkv_h, qkv_w, qkv_c, routes_b, routes_r, routes_k, scale,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, REGIONS: tl.constexpr, COLUMNS: tl.constexpr, HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr, TOPK: tl.constexpr, DENSE: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, PRECISION: tl.constexpr
):  # fmt: skip
    """What one tile of the queries of a head attends to."""
    ALL: tl.constexpr = REGIONS * HEIGHT * WIDTH
    QUERIES: tl.constexpr = ALL if DENSE else HEIGHT * WIDTH
    KEYS: tl.constexpr = ALL if DENSE else TOPK * HEIGHT * WIDTH
    PARTS: tl.constexpr = 1 if DENSE else REGIONS
    TILES: tl.constexpr = (QUERIES + BLOCK_M - 1) // BLOCK_M
    program = tl.program_id(0)
    head = (program % HEADS).to(tl.int64)
    part = program // (HEADS * TILES) % PARTS
    image = (program // (HEADS * TILES * PARTS)).to(tl.int64)

    position = program // HEADS % TILES * BLOCK_M + tl.arange(0, BLOCK_M)
    present = position < QUERIES
    row, column, region = _place(part, position, COLUMNS, HEIGHT, WIDTH, DENSE)
    channel = tl.arange(0, BLOCK_D)
    real = present[:, None] & (channel < HEAD_DIM)[None, :]
    qkv += image * qkv_b + head * HEAD_DIM * qkv_c
    q = tl.load(qkv + _offsets(row, column, channel, qkv_h, qkv_w, qkv_c), mask=real, other=0.0)
    routes += image * routes_b
    if not DENSE:
        routes += region.to(tl.int64) * routes_r
    bits = _bits(routes, region, present, REGIONS, DENSE)

    # the greatest logits, base 2, and sums of weights and of weighted values so far
    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    out = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    for start in range(0, KEYS, BLOCK_N):
        k, v, seen = _keys(
            qkv, routes, bits, start, region, present, channel, qkv_h, qkv_w, qkv_c, routes_k,
            HEADS * HEAD_DIM, HEAD_DIM, REGIONS, COLUMNS, HEIGHT, WIDTH, TOPK, DENSE, BLOCK_N,
        )  # fmt: skip
        logits = tl.dot(q, tl.trans(k), input_precision=PRECISION) * (scale * _LOG2_E)
        logits = tl.where(seen, logits, float("-inf"))
        higher = tl.maximum(top, tl.max(logits, 1))
        # in the dense form a query may see no key of the first tiles
        base = tl.where(higher == float("-inf"), 0.0, higher)
        weights = tl.exp2(logits - base[:, None])
        fade = tl.exp2(top - base)
        total = total * fade + tl.sum(weights, 1)
        out = out * fade[:, None] + tl.dot(weights.to(v.dtype), v, input_precision=PRECISION)
        top = higher

    # in the dense form what is beyond the map sees nothing
    total = tl.where(total > 0, total, 1.0)
    place = ((image * (ALL // (COLUMNS * WIDTH)) + row) * (COLUMNS * WIDTH) + column) * HEADS + head
    at = y + (place * HEAD_DIM)[:, None] + channel[None, :]
    tl.store(at, (out / total[:, None]).to(y.dtype.element_ty), mask=real)
    tl.store(lse + place, (top + tl.log2(total)) * _LN_2, mask=present)


@triton.jit
def _backward_queries(
    qkv, routes, y, lse, grad, delta, gradient, qkv_b, qkv_h, qkv_w, qkv_c, routes_b, routes_r, routes_k,
    grad_b, grad_h, grad_w, grad_c, gradient_b, gradient_h, gradient_w, gradient_c, scale,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, REGIONS: tl.constexpr, COLUMNS: tl.constexpr, HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr, TOPK: tl.constexpr, DENSE: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, PRECISION: tl.constexpr
):  # fmt: skip
    """The gradient of one tile of the queries of a head, and for the gradients of keys what `grad` is on average, `delta`."""
    ALL: tl.constexpr = REGIONS * HEIGHT * WIDTH
    QUERIES: tl.constexpr = ALL if DENSE else HEIGHT * WIDTH
    KEYS: tl.constexpr = ALL if DENSE else TOPK * HEIGHT * WIDTH
    PARTS: tl.constexpr = 1 if DENSE else REGIONS
    TILES: tl.constexpr = (QUERIES + BLOCK_M - 1) // BLOCK_M
    program = tl.program_id(0)
    head = (program % HEADS).to(tl.int64)
    part = program // (HEADS * TILES) % PARTS
    image = (program // (HEADS * TILES * PARTS)).to(tl.int64)

    position = program // HEADS % TILES * BLOCK_M + tl.arange(0, BLOCK_M)
    present = position < QUERIES
    row, column, region = _place(part, position, COLUMNS, HEIGHT, WIDTH, DENSE)
    channel = tl.arange(0, BLOCK_D)
    real = present[:, None] & (channel < HEAD_DIM)[None, :]
    qkv += image * qkv_b + head * HEAD_DIM * qkv_c
    q = tl.load(qkv + _offsets(row, column, channel, qkv_h, qkv_w, qkv_c), mask=real, other=0.0)
    grad += image * grad_b + head * HEAD_DIM * grad_c
    go = tl.load(grad + _offsets(row, column, channel, grad_h, grad_w, grad_c), mask=real, other=0.0)
    place = ((image * (ALL // (COLUMNS * WIDTH)) + row) * (COLUMNS * WIDTH) + column) * HEADS + head
    out = tl.load(y + (place * HEAD_DIM)[:, None] + channel[None, :], mask=real, other=0.0)
    base = tl.load(lse + place, mask=present, other=0.0) * _LOG2_E
    mean = tl.sum(go.to(tl.float32) * out.to(tl.float32), 1)
    tl.store(delta + place, mean, mask=present)
    routes += image * routes_b
    if not DENSE:
        routes += region.to(tl.int64) * routes_r
    bits = _bits(routes, region, present, REGIONS, DENSE)

    found = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    for start in range(0, KEYS, BLOCK_N):
        k, v, seen = _keys(
            qkv, routes, bits, start, region, present, channel, qkv_h, qkv_w, qkv_c, routes_k,
            HEADS * HEAD_DIM, HEAD_DIM, REGIONS, COLUMNS, HEIGHT, WIDTH, TOPK, DENSE, BLOCK_N,
        )  # fmt: skip
        logits = tl.dot(q, tl.trans(k), input_precision=PRECISION) * (scale * _LOG2_E)
        weights = tl.exp2(tl.where(seen, logits - base[:, None], float("-inf")))
        change = tl.dot(go, tl.trans(v), input_precision=PRECISION) - mean[:, None]
        found += tl.dot((weights * change).to(k.dtype), k, input_precision=PRECISION)

    gradient += image * gradient_b + head * HEAD_DIM * gradient_c
    at = gradient + _offsets(row, column, channel, gradient_h, gradient_w, gradient_c)
    tl.store(at, (found * scale).to(gradient.dtype.element_ty), mask=real)


@triton.jit
def _backward_keys(
    qkv, routes, bounds, lse, grad, delta, gradient, qkv_b, qkv_h, qkv_w, qkv_c,
    grad_b, grad_h, grad_w, grad_c, gradient_b, gradient_h, gradient_w, gradient_c, scale,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, REGIONS: tl.constexpr, COLUMNS: tl.constexpr, HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr, TOPK: tl.constexpr, DENSE: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, PRECISION: tl.constexpr
):  # fmt: skip
    """The gradients of one tile of the keys of a head and of their values, from all queries that are routed to them.

    `routes` are the bits of `_select` in the dense form, and in the gather form the regions that `_invert` found.
    """
    ALL: tl.constexpr = REGIONS * HEIGHT * WIDTH
    WORDS: tl.constexpr = (REGIONS + 63) // 64
    KEYS: tl.constexpr = ALL if DENSE else HEIGHT * WIDTH
    PARTS: tl.constexpr = 1 if DENSE else REGIONS
    TILES: tl.constexpr = (KEYS + BLOCK_N - 1) // BLOCK_N
    program = tl.program_id(0)
    head = (program % HEADS).to(tl.int64)
    part = program // (HEADS * TILES) % PARTS
    image = (program // (HEADS * TILES * PARTS)).to(tl.int64)

    position = program // HEADS % TILES * BLOCK_N + tl.arange(0, BLOCK_N)
    present = position < KEYS
    row, column, region = _place(part, position, COLUMNS, HEIGHT, WIDTH, DENSE)
    channel = tl.arange(0, BLOCK_D)
    real = present[:, None] & (channel < HEAD_DIM)[None, :]
    qkv += image * qkv_b + head * HEAD_DIM * qkv_c
    third = tl.full([], HEADS * HEAD_DIM, tl.int64)
    at = qkv + _offsets(row, column, channel, qkv_h, qkv_w, qkv_c) + third * qkv_c
    k = tl.load(at, mask=real, other=0.0)
    v = tl.load(at + third * qkv_c, mask=real, other=0.0)
    grad += image * grad_b + head * HEAD_DIM * grad_c
    if DENSE:
        routes += image * (REGIONS * WORDS)
        queries = ALL
    else:
        bounds += image * (REGIONS + 1) + part
        first = tl.load(bounds)
        routes += image * (REGIONS * TOPK) + first
        queries = (tl.load(bounds + 1) - first) * (HEIGHT * WIDTH)

    keys = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    values = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    for start in range(0, queries, BLOCK_M):
        query = start + tl.arange(0, BLOCK_M)
        asked = query < queries
        if DENSE:
            by_row, by_column, by = _place(0, query, COLUMNS, HEIGHT, WIDTH, True)
            bits = _bits(routes, by, asked, REGIONS, True)[None, :]
            seen = _chosen(bits, routes, by[None, :], asked[None, :], region[:, None], present[:, None], WORDS)
        else:
            by = tl.load(routes + query // (HEIGHT * WIDTH), mask=asked, other=0)
            by_row, by_column, by = _place(by, query % (HEIGHT * WIDTH), COLUMNS, HEIGHT, WIDTH, False)
            seen = asked[None, :]
        wanted = asked[:, None] & (channel < HEAD_DIM)[None, :]
        q = tl.load(qkv + _offsets(by_row, by_column, channel, qkv_h, qkv_w, qkv_c), mask=wanted, other=0.0)
        go = tl.load(grad + _offsets(by_row, by_column, channel, grad_h, grad_w, grad_c), mask=wanted, other=0.0)
        place = ((image * (ALL // (COLUMNS * WIDTH)) + by_row) * (COLUMNS * WIDTH) + by_column) * HEADS + head
        base = tl.load(lse + place, mask=asked, other=0.0) * _LOG2_E
        mean = tl.load(delta + place, mask=asked, other=0.0)
        logits = tl.dot(k, tl.trans(q), input_precision=PRECISION) * (scale * _LOG2_E)  # [keys, queries]
        weights = tl.exp2(tl.where(seen, logits - base[None, :], float("-inf")))
        values += tl.dot(weights.to(go.dtype), go, input_precision=PRECISION)
        change = tl.dot(v, tl.trans(go), input_precision=PRECISION) - mean[None, :]
        keys += tl.dot((weights * change).to(q.dtype), q, input_precision=PRECISION)

    gradient += image * gradient_b + head * HEAD_DIM * gradient_c
    at = gradient + _offsets(row, column, channel, gradient_h, gradient_w, gradient_c) + third * gradient_c
    tl.store(at, (keys * scale).to(gradient.dtype.element_ty), mask=real)
    tl.store(at + third * gradient_c, values.to(gradient.dtype.element_ty), mask=real)


# --- launching ----------------------------------------------------------------------------------------------------------


def form_of(positions: int, regions: int, topk: int) -> Form:
    """The form that is taken for regions of so many positions, of which each is routed to `topk`.

    A tile of queries has 16 rows at least. Where a region has fewer, the gather form multiplies zeros in their place, and reads
    keys anew for few queries; the dense form is taken as long as it walks through at most four times the keys that this wastes.
    """
    return "dense" if positions < LEAST and positions * regions <= 4 * LEAST * topk else "gather"


def forward(
    qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, scale: float, *, form: Form | None = None
) -> tuple[Tensor, Tensor]:
    """The outputs of `routing_attention`. Tensors may have any strides; `form` is what `form_of` says, or another."""
    y, lse = routing_attention.allocate(qkv, routes, heads, rows, columns, scale)
    constants = _constants(qkv, routes, heads, rows, columns, form)
    numbers, programs = _launch("forward", qkv, constants)
    # in the dense form bits take the place of the routes
    taken = _selected(routes) if constants["DENSE"] else routes
    _forward[(programs,)](qkv, taken, y, lse, *qkv.stride(), *taken.stride(), scale, **constants, **numbers)
    return y, lse


def backward(
    grad: Tensor,
    qkv: Tensor,
    routes: Tensor,
    heads: int,
    rows: int,
    columns: int,
    scale: float,
    y: Tensor,
    lse: Tensor,
    *,
    form: Form | None = None,
) -> tuple[Tensor]:
    """The gradient of queries, keys and values. `y` and `lse` are as `forward` gave them, `grad` may have any strides."""
    gradient, delta = torch.empty_like(qkv), torch.empty_like(lse, memory_format=torch.contiguous_format)
    constants = _constants(qkv, routes, heads, rows, columns, form)
    # outputs of the operator are contiguous, but `vmap` may hand slices of them back
    y, lse = y.contiguous(), lse.contiguous()
    taken = _selected(routes) if constants["DENSE"] else routes
    strides = (*grad.stride(), *gradient.stride())
    numbers, programs = _launch("backward_queries", qkv, constants)
    _backward_queries[(programs,)](
        qkv, taken, y, lse, grad, delta, gradient, *qkv.stride(), *taken.stride(), *strides, scale, **constants, **numbers
    )
    numbers, programs = _launch("backward_keys", qkv, constants)
    bounds, taken = (taken, taken) if constants["DENSE"] else _inverted(routes)
    _backward_keys[(programs,)](
        qkv, taken, bounds, lse, grad, delta, gradient, *qkv.stride(), *strides, scale, **constants, **numbers
    )
    return (gradient,)


def _selected(routes: Tensor) -> Tensor:
    """Bits of the regions in `routes` [B, R, k]: [B, R, words]."""
    batch, regions, topk = routes.shape
    selected = routes.new_empty(batch, regions, tiles(regions, _WORD), dtype=torch.int64)
    block_k = tile(topk)
    block_r = max(1, _ROUTES // block_k)
    _select[(batch * tiles(regions, block_r),)](
        routes, selected, *routes.stride(), REGIONS=regions, TOPK=topk, BLOCK_R=block_r, BLOCK_K=block_k
    )
    return selected


def _inverted(routes: Tensor) -> tuple[Tensor, Tensor]:
    """The regions that `routes` [B, R, k] leads to each region from, [B, R * k], and where those of a region begin, [B, R + 1].

    Returns the bounds first.
    """
    batch, regions, topk = routes.shape
    bounds = routes.new_empty(batch, regions + 1, dtype=torch.int32)
    selecting = routes.new_empty(batch, regions * topk, dtype=torch.int32)
    block = min(_ROUTES, tile(regions * topk))
    _invert[(batch * regions,)](routes, bounds, selecting, *routes.stride(), REGIONS=regions, TOPK=topk, BLOCK=block)
    return bounds, selecting


def _constants(qkv: Tensor, routes: Tensor, heads: int, rows: int, columns: int, form: Form | None) -> dict[str, Any]:
    """What all kernels are compiled for. HEIGHT and WIDTH are those of a region."""
    _, height, width, channels = qkv.shape
    if height % rows or width % columns:
        raise ValueError(f"a map of {height}x{width} cannot be cut into {rows}x{columns} regions")
    positions = height // rows * (width // columns)
    head_dim = channels // 3 // heads
    return {
        "HEADS": heads,
        "HEAD_DIM": head_dim,
        "REGIONS": rows * columns,
        "COLUMNS": columns,
        "HEIGHT": height // rows,
        "WIDTH": width // columns,
        "TOPK": routes.shape[-1],
        "DENSE": (form or form_of(positions, rows * columns, routes.shape[-1])) == "dense",
        "BLOCK_D": tile(head_dim),
        "PRECISION": precision(qkv.dtype),
    }


def _launch(kernel: str, qkv: Tensor, constants: dict[str, Any]) -> tuple[dict[str, int], int]:
    """The numbers of the table for a kernel, with tiles no larger than what they hold, and how many programs there are."""
    positions = constants["HEIGHT"] * constants["WIDTH"]
    dense, regions = constants["DENSE"], constants["REGIONS"]
    parts, own = (1, positions * regions) if dense else (regions, positions)
    walked = positions * (regions if dense else constants["TOPK"])
    numbers = configuration(_TABLE, f"{'dense' if dense else 'gather'}_{kernel}", qkv, head_dim=constants["HEAD_DIM"], own=own)
    mine, other = ("BLOCK_N", "BLOCK_M") if kernel == "backward_keys" else ("BLOCK_M", "BLOCK_N")
    numbers[mine], numbers[other] = min(numbers[mine], tile(own)), min(numbers[other], tile(walked))
    return numbers, qkv.shape[0] * constants["HEADS"] * parts * tiles(own, numbers[mine])
