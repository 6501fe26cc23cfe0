"""The reference of `affine`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.map.affine import spec as schema
from archdsl.schema.units import FeatureMap


class Affine(nn.Module):
    """Each channel of a map [B, C, H, W], of a vector [B, C] or of tokens [B, C, N] times its factor, plus its shift."""

    def __init__(self, spec: schema.Affine, x: FeatureMap) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((x.channels, 1, 1, 1), spec.init))
        self.bias = nn.Parameter(torch.zeros(x.channels))

    def forward(self, x: Tensor) -> Tensor:
        # a convolution wants two axes of positions
        positions = x if x.dim() == 4 else x.reshape(*x.shape[:2], -1, 1)
        return F.conv2d(positions, self.weight, self.bias, groups=len(self.bias)).reshape(x.shape)
