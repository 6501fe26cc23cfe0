"""The fields, shapes and cost of `outlook`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.heads import heads_for, require_heads
from archdsl.components.odd import require_odd
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("outlook", slot="token", module="archdsl.components.token.outlook.module:OutlookAttention")
@dataclass(frozen=True, slots=True)
class Outlook(Component):
    """Outlook attention: the middle of a window says how its places are mixed; windows that overlap add up."""

    kernel: Size = field(default=Size(3, 3), ge=1, doc="height and width of a window; odd, so that it has a middle")
    stride: Size = field(
        default=Size(2, 2), ge=1, doc="positions from one window to the next, at most the kernel; that many are averaged for it"
    )
    heads: int | None = field(default=None, ge=1, divides="channels", doc="number of heads; either this or `head_dim`")
    head_dim: int | None = field(default=None, ge=1, divides="channels", doc="channels of a head; either this or `heads`")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        require_heads(site, "outlook", self.heads, self.head_dim)
        require_odd(site, "kernel", self.kernel, "the kernel of `outlook` must be odd, so that a window has a middle")
        site.require(
            self.stride.height <= self.kernel.height and self.stride.width <= self.kernel.width,
            "the windows of `outlook` must leave no gap",
            field="stride",
            label=f"windows of {self.kernel} every {self.stride}",
            help=f"choose a `stride` of at most {self.kernel}",
        )
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c, logits = x.channels, self.logits(x.channels)
        return {
            "v.weight": (c, c),
            "attn.weight": (logits, c),
            "attn.bias": (logits,),
            "proj.weight": (c, c),
            "proj.bias": (c,),
        }

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        c, windows, logits = x.channels, self.windows(x.size).area, self.logits(x.channels)
        ops = {
            "linear": 2 * x.size.area * c * c + windows * logits * c,
            "matmul": windows * self.kernel.area**2 * c,
        }
        return Cost(ops, {"mul": windows * logits})

    def windows(self, size: Size) -> Size:
        """How many windows a map of `size` has, down and to the right."""
        return size.divided_by(self.stride)

    def logits(self, channels: int) -> int:
        """Logits of one window: for each head a place that comes out by a place that goes in."""
        return self.heads_for(channels) * self.kernel.area**2

    def heads_for(self, channels: int) -> int:
        """The number of heads on a map of `channels`."""
        return heads_for(channels, self.heads, self.head_dim)
