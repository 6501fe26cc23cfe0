"""The reference of `multi_order`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.gated_convolutions import bare_convolution, centred_convolution, gate, normed_convolution
from archdsl.components.token.multi_order import spec as schema
from archdsl.schema.units import FeatureMap

# of `gamma` at the start: the mean is hardly taken off
_START = 1e-5


class MultiOrder(nn.Module):
    """A near and a far path of convolutions over half of the channels of a map [B, C, H, W], joined to [B, C, H, W].

    `h_...` is the near path, which keeps high frequencies, `l_...` the far one.
    """

    def __init__(self, spec: schema.MultiOrder, x: FeatureMap) -> None:
        super().__init__()
        half, squeezed, groups = spec.half(x), spec.squeezed(x), spec.groups
        self.gamma = nn.Parameter(torch.full((1, half, 1, 1), _START))
        self.proj_in = centred_convolution(x.channels, half)
        self.h_conv = normed_convolution(half, groups=groups, eps=spec.eps)
        # nothing stands between the two dilated convolutions: together they see 9x9 positions
        self.l_conv = nn.Sequential(
            bare_convolution(half, groups=groups, dilation=2),
            normed_convolution(half, groups=groups, dilation=2, eps=spec.eps),
        )
        self.h_attn = gate(half, squeezed)
        self.l_attn = gate(half, squeezed)
        self.proj_out = centred_convolution(x.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        u = self.proj_in(x)  # [B, C / 2, H, W]
        u = u + self.gamma * (u - F.adaptive_avg_pool2d(u, 1))
        high, low = self.h_conv(u), self.l_conv(u)
        both = torch.cat([high * self.h_attn(high), low * self.l_attn(low)], dim=1)  # [B, C, H, W]
        return self.proj_out(both)
