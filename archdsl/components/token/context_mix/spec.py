"""The fields, shapes, cost and deploy form of `context_mix`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.inside import Inside, buffers_inside, cost_inside, same_convolution, weights_inside
from archdsl.components.odd import require_odd
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.defaults import with_defaults
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass, replace


@component("context_mix", slot="token", module="archdsl.components.token.context_mix.module:ContextMix")
@dataclass(frozen=True, slots=True)
class ContextMix(Component):
    """Context mixing: depthwise convolutions whose kernels, one at each position, are made from a context.

    The map is the features and, after them, the channels of the context.
    """

    kernel: Size = field(ge=1, doc="height and width of the large dynamic kernel, and of the static one beside it; odd")
    small: Size = field(default=Size(5, 5), ge=1, doc="height and width of the small dynamic kernel; odd")
    heads: int = field(ge=1, doc="heads; each has two groups of channels with a kernel of their own")
    context: int = field(ge=1, doc="channels of the context, the last ones of the map")
    grid: Size = field(default=Size(7, 7), ge=1, doc="height and width of the map of keys that the context is pooled to")
    branches: tuple[tuple[int, int], ...] | None = field(
        default=None, doc="of the static convolution, as in `dilated_reparam`; none: those published for the kernel"
    )

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        size = site.require_map(x)
        features = self.features(x)
        site.require(
            features >= 1,
            "the context must leave some channels to the features",
            field="context",
            label=f"{x.channels} channels come in",
            help="use a smaller context, or more channels",
        )
        site.require(
            features % (4 * self.heads) == 0,
            "the features must be divisible by four times `heads`: two kernels, two groups each",
            field="heads",
            label=f"{features} channels are features here",
            help=f"use {-(-features // (4 * self.heads)) * 4 * self.heads} channels of features, or other `heads`",
        )
        for name, side in (("kernel", self.kernel), ("small", self.small)):
            require_odd(site, name, side, "the kernel must be odd, so that it is centred")
        site.require(
            self.small.height <= self.kernel.height and self.small.width <= self.kernel.width,
            "the small kernel must not be larger than the large one",
            field="small",
            label=f"the large one is {self.kernel}",
            help=f"choose a `small` of at most {self.kernel}",
        )
        self._static().shape(FeatureMap(features, size), site)
        return x

    def features(self, x: FeatureMap) -> int:
        """The channels of the features."""
        return x.channels - self.context

    def inside(self, x: FeatureMap) -> Inside:
        """The parts that are components themselves, with the map that each reads."""
        assert x.size is not None
        features = x.with_channels(self.features(x))
        half = features.channels // 2
        asking = features.with_size(enlarged(x.size, self.kernel))
        keys = FeatureMap(self.context, self.grid)
        norm = with_defaults("batchnorm", {})
        excite = with_defaults("squeeze_excite", {"ratio": 8, "minimum": 16, "act": with_defaults("gelu", {})})
        return {
            "fusion.dwconv": (with_defaults("dwconv", {"kernel": 3}), x),
            "fusion.batchnorm": (norm, x),
            "fusion.gelu": (with_defaults("gelu", {}), x),
            "fusion.conv": (same_convolution(1, features.channels), x),
            "fusion.grn": (with_defaults("grn", {}), features),
            "query.conv": (same_convolution(1, half, bias=False), asking),
            "query.batchnorm": (norm, asking.with_channels(half)),
            "key.conv": (same_convolution(1, half, bias=False), keys),
            "key.batchnorm": (norm, keys.with_channels(half)),
            "mixed.conv": (same_convolution(1, features.channels, bias=False), features),
            "mixed.batchnorm": (norm, features),
            "lepe.dilated_reparam": (self._static(), features),
            "lepe.batchnorm": (norm, features),
            "excite": (excite, features),
            "gate.conv": (same_convolution(1, features.channels, bias=False), features),
            "gate.batchnorm": (norm, features),
            "gate.silu": (with_defaults("silu", {}), features),
            "proj.batchnorm": (norm, features),
            "proj.conv": (same_convolution(1, x.channels), features),
        }

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        groups, taps = 2 * self.heads, self.small.area + self.kernel.area
        shapes: dict[str, tuple[int, ...]] = {
            "small_bias": (groups, 2 * self.small.height - 1, 2 * self.small.width - 1),
            "large_bias": (groups, 2 * self.kernel.height - 1, 2 * self.kernel.width - 1),
            "taps.weight": (taps, self.grid.area),
            "taps.bias": (taps,),
        }
        return {**shapes, **weights_inside(self.inside(x))}

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        return buffers_inside(self.inside(x))

    def cost(self, x: FeatureMap) -> Cost:
        assert x.size is not None
        features, size = self.features(x), enlarged(x.size, self.kernel)
        groups, half, taps = 2 * self.heads, features // 2, self.small.area + self.kernel.area
        ops = {
            "adaptive_avg_pool2d": self.context * size.area,
            "matmul": half * size.area * self.grid.area,
            "linear": groups * size.area * self.grid.area * taps,
        }
        if size != x.size:
            # features and their fusion are enlarged, the result is pooled
            ops["upsample_bilinear2d"] = 4 * (x.channels + features) * size.area
            ops["adaptive_avg_pool2d"] += features * size.area
        weighted = half * size.area * taps
        around = 2 * features * x.size.area
        unseen = {
            "mul": half * size.area + weighted + around // 2,
            # rows of a window are summed first, then added
            "add": groups * size.area * taps + around // 2 + half * size.area * (self.small.height + self.kernel.height - 2),
            "sum": weighted,
        }
        return Cost(ops, unseen) + cost_inside(self.inside(x))

    def fused(self) -> Component:
        return replace(self, branches=())

    def _static(self) -> Component:
        return with_defaults("dilated_reparam", {"kernel": self.kernel, "branches": self.branches})


def enlarged(size: Size, kernel: Size) -> Size:
    """The size that a map is brought to before a kernel reads it: its own, or where that is too small as large as it takes.

    The sides keep their ratio: the one that is shorter by the kernel gets its length.
    """
    if size.height >= kernel.height and size.width >= kernel.width:
        return size
    # in floating point and cut off, as published
    if size.height / kernel.height < size.width / kernel.width:
        return Size(kernel.height, max(kernel.width, int(kernel.height / size.height * size.width)))
    return Size(max(kernel.height, int(kernel.width / size.width * size.height)), kernel.width)
