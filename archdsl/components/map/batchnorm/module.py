"""The reference of `batchnorm`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.batchnorm import spec as schema
from archdsl.schema.units import FeatureMap


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of a map [B, C, H, W], of tokens [B, C, N] or of a vector [B, C].

    Weight `init`, bias 0 and standard statistics at the start.
    """

    def __init__(self, spec: schema.BatchNorm, x: FeatureMap) -> None:
        super().__init__(x.channels, eps=spec.eps, momentum=spec.momentum)
        nn.init.constant_(self.weight, spec.init)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 3, 4):
            raise ValueError(f"expected a map [B, C, H, W], tokens [B, C, N] or a vector [B, C], got {input.dim()} axes")
