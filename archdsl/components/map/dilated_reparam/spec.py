"""The fields, shapes, cost and deploy form of `dilated_reparam`."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.components.odd import require_odd
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.record import dataclass, replace

# the branches that were published, by the side of the large kernel
PUBLISHED: dict[int, tuple[tuple[int, int], ...]] = {
    17: ((5, 1), (7, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
    15: ((5, 1), (7, 1), (7, 2), (3, 3), (3, 5), (3, 7)),
    13: ((5, 1), (7, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    7: ((5, 1), (3, 1), (3, 2), (3, 3)),
}


@component("dilated_reparam", slot="map", module="archdsl.components.map.dilated_reparam.module:DilatedReparam")
@dataclass(frozen=True, slots=True)
class DilatedReparam(Component):
    """Depthwise convolution with a large kernel and, beside it, small dilated ones that fuse into it."""

    kernel: Size = field(ge=1, doc="height and width of the large kernel, both odd")
    branches: tuple[tuple[int, int], ...] | None = field(
        default=None, doc="[kernel, dilation] of each small one; none: those published for the kernel; []: the fused form"
    )

    @property
    def dilated(self) -> tuple[tuple[int, int], ...]:
        """The small branches; none in the fused form."""
        return PUBLISHED[self.kernel.height] if self.branches is None else self.branches

    def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
        site.require_map(x)
        require_odd(site, "kernel", self.kernel, "the kernel must be odd, so that it is centred")
        known = ", ".join(f"{side}x{side}" for side in sorted(PUBLISHED))
        site.require(
            self.branches is not None or (self.kernel.height == self.kernel.width and self.kernel.height in PUBLISHED),
            f"branches were published for the kernels {known}",
            field="kernel",
            label=f"this is {self.kernel}",
            help="say them: `branches = [[5, 1], [3, 2]]`, kernel and dilation of each",
        )
        reach = min(self.kernel)
        seen: set[tuple[int, int]] = set()
        for kernel, dilation in self.dilated:
            written = f"[{kernel}, {dilation}]"
            site.require(
                kernel >= 1 and dilation >= 1 and kernel % 2 == 1,
                "a branch has an odd kernel and a dilation of at least 1",
                field="branches",
                label=f"one is {written}",
                help="write kernel and dilation of each, such as `[[5, 1], [3, 2]]`",
            )
            site.require(
                (kernel - 1) * dilation + 1 <= reach,
                "a branch must lie within the large kernel, or it could not be fused into it",
                field="branches",
                label=f"{written} reaches over {(kernel - 1) * dilation + 1} positions, the kernel is {self.kernel}",
                help="use a smaller kernel or dilation there, or a larger `kernel`",
            )
            site.require(
                (kernel, dilation) not in seen,
                "the branches differ from each other",
                field="branches",
                label=f"{written} stands there twice",
                help="leave one out",
            )
            seen.add((kernel, dilation))
        return x

    def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        c = x.channels
        shapes: dict[str, tuple[int, ...]] = {"lk_origin.weight": (c, 1, *self.kernel)}
        if not self.dilated:
            return {**shapes, "lk_origin.bias": (c,)}
        shapes |= {"origin_bn.weight": (c,), "origin_bn.bias": (c,)}
        for kernel, dilation in self.dilated:
            shapes[f"dil_conv_k{kernel}_{dilation}.weight"] = (c, 1, kernel, kernel)
            norm = f"dil_bn_k{kernel}_{dilation}"
            shapes |= {f"{norm}.weight": (c,), f"{norm}.bias": (c,)}
        return shapes

    def buffers(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for norm in self.norms:
            each = {
                f"{norm}.running_mean": (x.channels,),
                f"{norm}.running_var": (x.channels,),
                f"{norm}.num_batches_tracked": (),
            }
            shapes |= each
        return shapes

    @property
    def norms(self) -> tuple[str, ...]:
        """The names of the batch norms, that of the large kernel first."""
        small = [f"dil_bn_k{kernel}_{dilation}" for kernel, dilation in self.dilated]
        return ("origin_bn", *small) if small else ()

    def cost(self, x: FeatureMap) -> Cost:
        small = self.dilated
        taps = self.kernel.area + sum(kernel * kernel for kernel, _ in small)
        if not small:
            return Cost({"conv": taps * x.elements})
        norms = 2 * (1 + len(small)) * x.elements
        return Cost({"conv": taps * x.elements, "batch_norm": norms}, {"add": len(small) * x.elements})

    def fused(self) -> Component:
        return replace(self, branches=())
