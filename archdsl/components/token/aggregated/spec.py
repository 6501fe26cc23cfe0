"""The fields, shapes and cost of `aggregated`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.odd import require_odd
from archdsl.components.position.offsets import bias_linear, bias_undecayed, bias_weights
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("aggregated", slot="token", module="archdsl.components.token.aggregated.module:AggregatedAttention")
@dataclass(frozen=True, slots=True)
class Aggregated(Component):
    """Pixel-focused attention: each position attends to its neighbours and to the pooled map, in one softmax."""

    window: Size = field(
        default=Size(3, 3), ge=1, doc="height and width of the neighbourhood, odd; places outside are left out"
    )
    reduction: int | None = field(
        default=None, ge=1, doc="height and width of the map over those of the pooled map, rounded down; either this or `pool`"
    )
    pool: Size | None = field(default=None, ge=1, doc="height and width of the pooled map; either this or `reduction`")
    head_dim: int = field(default=24, ge=1, divides="channels", doc="channels of a head")
    pretrain: Size | None = field(
        default=None, ge=2, doc="the map that distances are measured on, where it is not this one: that of the pretraining"
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        require_odd(site, "window", self.window, "the window must be odd, so that it has a centre")
        site.require(
            self.reduction is not None or self.pool is not None,
            "`aggregated` needs `reduction` or `pool`",
            help="add `reduction = 8`, or the size of the pooled map",
        )
        site.require(
            self.reduction is None or self.pool is None,
            "`aggregated` takes `reduction` or `pool`, not both",
            field="pool",
            label="`reduction` is given too",
            help="leave one of them out",
        )
        if self.reduction is not None:
            site.require(
                self.reduction <= min(size),
                "`reduction` must leave something of the map",
                field="reduction",
                label=f"the map is {size} here",
                help=f"use a larger input, or a `reduction` of at most {min(size)}",
            )
        if self.pool is not None:
            site.require(
                self.pool.height <= size.height and self.pool.width <= size.width,
                "the pooled map must not be larger than the map",
                field="pool",
                label=f"the map is {size} here",
                help=f"use a larger input, or a `pool` of at most {size}",
            )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, d, heads, taps = x.channels, self.head_dim, x.channels // self.head_dim, self.window.area
        shapes: dict[str, tuple[int, ...]] = {
            "temperature": (heads, 1, 1),
            "query_embedding": (heads, 1, d),
            "local_bias": (heads, taps),
            "learnable_tokens": (heads, d, taps),
            "learnable_bias": (heads, 1, taps),
        }
        for name, shape in (("q", (c, c)), ("kv", (2 * c, c)), ("reduce", (c, c, 1, 1)), ("norm", (c,)), ("proj", (c, c))):
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        return {**shapes, **{f"position.{name}": shape for name, shape in bias_weights(heads).items()}}

    def undecayed(self) -> tuple[str, ...]:
        return ("temperature", "query_embedding", "local_bias", *(f"position.{name}" for name in bias_undecayed()))

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, n, cells = x.channels, x.size.area, self.cells(x.size)
        heads, taps, pooled = c // self.head_dim, self.window.area, cells.area
        ops = {
            # keys and values are made of the pooled map, too; the biases do not depend on the number of images
            "linear": (4 * n + 2 * pooled) * c * c + bias_linear(x.size, cells, heads),
            "conv": n * c * c,
            "adaptive_avg_pool2d": n * c,
            "layer_norm": 5 * pooled * c,
            # of each place of the window: the product with the key, with the learnable token, and with the value
            "matmul": (3 * taps + 2 * pooled) * n * c,
        }
        unseen = {
            "div": (2 * n + pooled) * c,
            "mul": n * (c + heads),
            "add": 2 * n * c + n * heads * (3 * taps + pooled),
        }
        return Cost(ops, unseen)

    def cells(self, size: Size) -> Size:
        """The size of the pooled map of a map of `size`."""
        if self.pool is not None:
            return self.pool
        assert self.reduction is not None
        return Size(size.height // self.reduction, size.width // self.reduction)
