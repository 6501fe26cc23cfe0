"""The reference of `grn`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdsl.components.map.grn import spec as schema
from archdsl.schema.units import FeatureMap


class GlobalResponseNorm(nn.Module):
    """Global response norm of a map [B, C, H, W]; at the start the map itself."""

    def __init__(self, spec: schema.Grn, x: FeatureMap) -> None:
        super().__init__()
        self.eps = spec.eps
        self.gamma = nn.Parameter(torch.zeros(1, x.channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, x.channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        strength = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
        relative = strength / (strength.mean(1, keepdim=True) + self.eps)
        return (self.gamma * relative + 1) * x + self.beta
