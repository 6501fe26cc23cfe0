"""The reference of `context_mix`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.projection import projection, start_projection
from archdsl.components.token.context_mix import spec as schema
from archdsl.components.token.context_mix.neighbourhood import neighbourhood_sum, position_bias
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size


class ContextMix(nn.Module):
    """Dynamic depthwise convolutions of the features in a map [B, C + context, H, W], with kernels that come from the context.

    Windows are shifted inward at the border; a map that is smaller than the kernel is enlarged before and pooled after.
    """

    def __init__(self, spec: schema.ContextMix, x: FeatureMap) -> None:
        super().__init__()
        self.kernel, self.small, self.grid = spec.kernel, spec.small, spec.grid
        self.widths = (spec.features(x), spec.context)
        self.groups = 2 * spec.heads
        # the published scale is that of all channels, though queries have half of them
        self.scale = (self.widths[0] // self.groups) ** -0.5
        self.small_bias = nn.Parameter(_table(self.groups, spec.small))
        self.large_bias = nn.Parameter(_table(self.groups, spec.kernel))
        self.taps = projection(spec.grid.area, spec.small.area + spec.kernel.area)
        for name, (part, here) in spec.inside(x).items():
            chain, _, word = name.partition(".")
            if word and chain not in self._modules:
                self.add_module(chain, nn.Sequential())
            (self.get_submodule(chain) if word else self).add_module(word or chain, instantiate(part, here))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                start_projection(module)

    def forward(self, x: Tensor) -> Tensor:
        values = self.fusion(x)  # [B, C, H, W]
        y = self.mixed(self._convolved(values, x)) + self.lepe(values)
        return self.proj(self.gate(values) * self.excite(y))

    def _convolved(self, values: Tensor, x: Tensor) -> Tensor:
        """The values [B, C, H, W] under the kernels that `x` [B, C + context, H, W] gives."""
        given = Size(values.shape[2], values.shape[3])
        size = schema.enlarged(given, self.kernel)
        if size != given:
            values, x = (F.interpolate(y, size=tuple(size), mode="bilinear", align_corners=False) for y in (values, x))
        batch, groups = values.shape[0], self.groups
        weight = self._kernels(x).reshape(batch, groups, *size, -1)
        parts = []
        start = 0
        for table, kernel, half in zip(
            (self.small_bias, self.large_bias), (self.small, self.kernel), values.chunk(2, 1), strict=True
        ):
            own = weight[..., start : start + kernel.area].unflatten(-1, tuple(kernel))
            own = (own + position_bias(table, *size)).flatten(-2).softmax(-1).unflatten(-1, tuple(kernel))
            value = half.reshape(batch, groups, -1, *size)
            parts.append(neighbourhood_sum(own, value).reshape(batch, -1, *size))
            start += kernel.area
        y = torch.cat(parts, 1)
        return y if size == given else F.adaptive_avg_pool2d(y, tuple(given))

    def _kernels(self, x: Tensor) -> Tensor:
        """The weights of all taps at each position, before biases and softmax: [B, G, H * W, taps]."""
        features, context = x.split(self.widths, 1)
        q = (self.query(features) * self.scale).unflatten(1, (self.groups, -1)).flatten(3)  # [B, G, d, H * W]
        k = self.key(F.adaptive_avg_pool2d(context, tuple(self.grid)))
        k = k.unflatten(1, (self.groups, -1)).flatten(3)  # [B, G, d, cells]
        return self.taps(q.transpose(-2, -1).matmul(k))


def _table(groups: int, kernel: Size) -> Tensor:
    return torch.zeros(groups, 2 * kernel.height - 1, 2 * kernel.width - 1)
