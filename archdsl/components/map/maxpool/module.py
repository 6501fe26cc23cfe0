"""The reference of `maxpool`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.map.maxpool.spec import MaxPool
from archdsl.components.pooling import pooling
from archdsl.schema.units import FeatureMap, Size


class MaximumPool(nn.Module):
    """Maxima of a map [B, C, H, W]: [B, C, H', W'] under a kernel, [B, C] of the whole map."""

    def __init__(self, spec: MaxPool, x: FeatureMap) -> None:
        super().__init__()
        self.kernel = spec.kernel
        self.stride = spec.stride or spec.kernel
        self.pad = spec.pad

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel is None or self.stride is None:
            return x.amax((2, 3))
        padding, ceil_mode, crop = pooling(Size(x.shape[2], x.shape[3]), self.kernel, self.stride, self.pad)
        x = F.max_pool2d(x, tuple(self.kernel), tuple(self.stride), padding, ceil_mode=ceil_mode)
        return x[:, :, crop[0] :, crop[1] :]
