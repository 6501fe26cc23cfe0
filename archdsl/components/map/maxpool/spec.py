"""The fields, shapes and cost of `maxpool`."""

from __future__ import annotations

from archdsl.components.fitting import require_fit
from archdsl.schema.component import Component, Site, component
from archdsl.schema.field import FromField, field
from archdsl.schema.sliding import padding, slid
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("maxpool", slot="map", module="archdsl.components.map.maxpool.module:MaximumPool")
@dataclass(frozen=True, slots=True)
class MaxPool(Component):
    """Maximum pooling, of the whole map unless a kernel is given."""

    kernel: Size | None = field(
        default=None, ge=1, doc="height and width of the kernel; none: the whole map, no positions left"
    )
    stride: Size | None = field(default=FromField("kernel"), ge=1, doc="positions from one place of the kernel to the next")
    pad: str | None = field(default=None, choices=("same",), doc="none: odd kernels centred, even ones bare; TensorFlow's rule")

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        if self.kernel is None:
            site.require(self.stride is None, "`stride` needs a `kernel`", field="stride", label="the whole map is pooled")
            site.require(self.pad is None, "`pad` needs a `kernel`", field="pad", label="the whole map is pooled")
            return x.with_size(None)
        stride = self.stride or self.kernel
        out = slid(size, self.kernel, stride, padding(size, self.kernel, stride, self.pad))
        require_fit(site, size, out)
        return x.with_size(out)
