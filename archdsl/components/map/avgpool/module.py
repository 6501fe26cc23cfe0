"""The reference of `avgpool`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.map.avgpool.spec import AvgPool
from archdsl.components.pooling import pooling
from archdsl.schema.units import FeatureMap, Size


class AveragePool(nn.Module):
    """Averages of a map [B, C, H, W]: [B, C, H', W'] under a kernel, [B, C] of the whole map."""

    def __init__(self, spec: AvgPool, x: FeatureMap) -> None:
        super().__init__()
        self.kernel = spec.kernel
        self.stride = spec.stride or spec.kernel
        self.pad = spec.pad

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel is None or self.stride is None:
            return F.adaptive_avg_pool2d(x, 1).flatten(1)
        padding, ceil_mode, crop = pooling(Size(x.shape[2], x.shape[3]), self.kernel, self.stride, self.pad)
        x = F.avg_pool2d(x, tuple(self.kernel), tuple(self.stride), padding, ceil_mode, count_include_pad=False)
        return x[:, :, crop[0] :, crop[1] :]
