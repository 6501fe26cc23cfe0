"""The reference of `wave`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.channel.wave import spec as schema
from archdsl.components.gated_convolutions import centred_convolution, gate, normed_convolution
from archdsl.schema.units import FeatureMap


class Wave(nn.Module):
    """Channels of a map [B, C, H, W] mixed as waves: `proj` makes the amplitudes, `theta` the phases."""

    def __init__(self, spec: schema.Wave, x: FeatureMap) -> None:
        super().__init__()
        hidden = spec.hidden(x).channels
        self.complex = nn.Parameter(torch.randn(1, 1, 1, hidden // 2, 2))
        self.theta = centred_convolution(x.channels, hidden)
        self.proj = centred_convolution(x.channels, hidden)
        self.conv = normed_convolution(hidden, groups=spec.groups, eps=spec.eps)
        self.attn = gate(hidden, spec.squeezed(x))
        self.proj_out = centred_convolution(hidden, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        strongest = x.argmax(dim=1, keepdim=True)  # [B, 1, H, W], the first of equals
        phase = F.gelu(self.theta(x))  # [B, ratio * C, H, W], as the amplitude
        amplitude = self.proj(x)
        # one number for each position, added to all channels
        common = amplitude.gather(1, strongest) * phase.gather(1, strongest)
        y = self.conv(self._turned(amplitude * phase + common))
        return self.proj_out(y * self.attn(y))

    def _turned(self, x: Tensor) -> Tensor:
        """Pairs of channels as complex numbers, each times its learned one; in float32 at least, as `complex` is."""
        real, imaginary = x.unflatten(1, (-1, 2)).unbind(2)  # [B, ratio * C / 2, H, W] each
        a, b = self.complex[0, 0, 0, :, :, None, None].unbind(1)  # [ratio * C / 2, 1, 1] each
        return torch.stack([real * a - imaginary * b, real * b + imaginary * a], dim=2).flatten(1, 2)
