"""The fields, shapes and cost of `attention`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.heads import heads_for, require_heads
from archdsl.components.odd import require_odd
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("attention", slot="token", module="archdsl.components.token.attention.module:FullAttention")
@dataclass(frozen=True, slots=True)
class Attention(Component):
    """Attention of each position to all positions of the map, or of its window."""

    heads: int | None = field(default=None, ge=1, divides="channels", doc="number of heads; either this or `head_dim`")
    head_dim: int | None = field(default=None, ge=1, divides="channels", doc="channels of a head; either this or `heads`")
    qkv_bias: bool = field(default=True, doc="whether queries, keys and values have a bias")
    window: Size | None = field(default=None, ge=1, doc="what attends to itself; it divides the map; none: the whole map")
    relative_bias: Size | None = field(
        default=None, ge=1, doc="window whose relative positions a table has a bias for, resized to the present window"
    )
    lepe: Size | None = field(default=None, ge=1, doc="kernel of a depthwise convolution that is added to the output")
    lepe_of: str = field(
        default="value", choices=("value", "input"), doc="what `lepe` convolves; BiFormer's last stage: the input"
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        self._check_positions(x, site)
        require_heads(site, "attention", self.heads, self.head_dim)
        if self.lepe:
            require_odd(site, "lepe", self.lepe, "the kernel of `lepe` must be odd, so that the map keeps its size")
        return x

    def _check_positions(self, x: FeatureMap, site: Site) -> None:
        if x.tokens and not (self.window or self.relative_bias or self.lepe):
            site.require(
                x.positions > 1,
                "`attention` needs more than one token",
                label=f"only the {x.tokens[0].name} is here",
                help="select less before it, or leave it out",
            )
            return
        size = site.require_map(x)
        if self.window:
            site.require_divisible(size, self.window, field="window", help="leave `window` out: the whole map is one then")

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        shapes: dict[str, tuple[int, ...]] = {}
        if self.relative_bias:
            shapes["relative_bias"] = (self.heads_for(c), *_offsets(self.relative_bias))
        shapes["qkv.weight"] = (3 * c, c)
        if self.qkv_bias:
            shapes["qkv.bias"] = (3 * c,)
        shapes |= {"proj.weight": (c, c), "proj.bias": (c,)}
        if self.lepe:
            shapes |= {"lepe.weight": (c, 1, *self.lepe), "lepe.bias": (c,)}
        return shapes

    def cost(self, x: FeatureMap) -> Cost:
        c, tokens = x.channels, x.positions
        seen = self.window.area if self.window else tokens
        own = Cost({"linear": 4 * tokens * c * c, "matmul": 2 * tokens * seen * c}, {"mul": tokens * c})
        if self.relative_bias:
            own += Cost(unseen={"add": self.heads_for(c) * tokens * seen})
            window = self.window or x.size
            if window and window != self.relative_bias:
                # bilinear: four an element of the new table, once whatever the number of images and windows
                own += Cost({"upsample_bilinear2d": 4 * self.heads_for(c) * _offsets(window).area})
        if self.lepe:
            own += Cost({"conv": tokens * c * self.lepe.area}, {"add": tokens * c})
        return own

    def heads_for(self, channels: int) -> int:
        """The number of heads on a map of `channels`."""
        return heads_for(channels, self.heads, self.head_dim)


def _offsets(window: Size) -> Size:
    """How many steps lead from one position of a window to another, down and to the right, back included."""
    return Size(2 * window.height - 1, 2 * window.width - 1)
