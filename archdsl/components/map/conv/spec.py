"""The fields, shapes and cost of `conv`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.fitting import require_fit
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import STARTS, FromArch, FromPlace, field
from archdsl.schema.sliding import padding, slid
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass


@component("conv", slot="map", module="archdsl.components.map.conv.module:Convolution")
@dataclass(frozen=True, slots=True)
class Conv(Component):
    """Convolution."""

    kernel: Size = field(ge=1, doc="height and width of the kernel")
    out: int = field(default=FromPlace("dim"), ge=1, doc="channels that come out")
    stride: Size = field(default=Size(1, 1), ge=1, doc="positions from one place of the kernel to the next")
    groups: int = field(default=1, ge=1, divides="channels", doc="groups of channels that do not see each other")
    bias: bool = field(default=True, doc="whether a bias is added to each channel")
    pad: str | None = field(default=None, choices=("same",), doc="none: odd kernels centred, even ones bare; TensorFlow's rule")
    init: str = field(
        default=FromArch("init", "uniform"),
        choices=STARTS,
        doc="how the weights start: by PyTorch's rule, of deviation sqrt(2 / fan out), or of 0.02; the bias then at 0",
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        site.require(
            self.out % self.groups == 0,
            "the channels that come out must be divisible by the groups",
            field="groups",
            label=f"{self.out} channels come out",
        )
        out = self._out(size)
        require_fit(site, size, out)
        return FeatureMap(self.out, out)

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        weight = {"weight": (self.out, x.channels // self.groups, *self.kernel)}
        return {**weight, "bias": (self.out,)} if self.bias else weight

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        return Cost({"conv": self.out * (x.channels // self.groups) * self.kernel.area * self._out(x.size).area})

    def _out(self, size: Size) -> Size:
        return slid(size, self.kernel, self.stride, padding(size, self.kernel, self.stride, self.pad))
