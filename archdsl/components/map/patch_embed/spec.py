"""The fields, shapes and cost of `patch_embed`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.fitting import require_fit
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import STARTS, FromArch, FromField, FromPlace, field
from archdsl.schema.sliding import Padding, slid
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("patch_embed", slot="map", module="archdsl.components.map.patch_embed.module:PatchEmbedding")
@dataclass(frozen=True, slots=True)
class PatchEmbed(Component):
    """Patch embedding: a strided convolution that first pads right and bottom to whole strides."""

    kernel: Size = field(ge=1, doc="height and width of a patch")
    out: int = field(default=FromPlace("dim"), ge=1, doc="channels that come out")
    stride: Size = field(
        default=FromField("kernel"), ge=1, doc="from one patch to the next; patches overlap where it is smaller"
    )
    init: str = field(
        default=FromArch("init", "uniform"),
        choices=STARTS,
        doc="how the weights start: by PyTorch's rule, of deviation sqrt(2 / fan out), or of 0.02; the bias then at 0",
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        out = self._out(size)
        require_fit(site, size, out, what="a patch")
        return FeatureMap(self.out, out)

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return {"weight": (self.out, x.channels, *self.kernel), "bias": (self.out,)}

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        return Cost({"conv": self.out * x.channels * self.kernel.area * self._out(x.size).area})

    @property
    def margin(self) -> Size:
        """Padding on every side, after right and bottom: centres a patch that overlaps its neighbours, else nothing."""
        kernel, stride = self.kernel, self.stride
        return Size(
            (kernel.height - 1) // 2 if kernel.height > stride.height else 0,
            (kernel.width - 1) // 2 if kernel.width > stride.width else 0,
        )

    def _out(self, size: Size) -> Size:
        height, width = self.margin
        return slid(size.padded_to(self.stride), self.kernel, self.stride, Padding(height, height, width, width))
