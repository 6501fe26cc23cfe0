"""The reference of `dilated_reparam`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.map.dilated_reparam import spec as schema
from archdsl.components.projection import start_projection
from archdsl.schema.units import FeatureMap


class DilatedReparam(nn.Module):
    """Depthwise convolution of a map [B, C, H, W] by a large kernel, plus those by small dilated ones, each after a batch norm.

    In the fused form there is one convolution with a bias and nothing else.
    """

    def __init__(self, spec: schema.DilatedReparam, x: FeatureMap) -> None:
        super().__init__()
        self.branches = spec.dilated
        self.lk_origin = _depthwise(x.channels, tuple(spec.kernel), bias=not spec.dilated)
        if self.branches:
            self.origin_bn = nn.BatchNorm2d(x.channels)
        for kernel, dilation in self.branches:
            self.add_module(f"dil_conv_k{kernel}_{dilation}", _depthwise(x.channels, (kernel, kernel), dilation=dilation))
            self.add_module(f"dil_bn_k{kernel}_{dilation}", nn.BatchNorm2d(x.channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.lk_origin(x)
        if not self.branches:
            return y
        y = self.origin_bn(y)
        for convolution, norm, _ in self._small():
            y = y + norm(convolution(x))
        return y

    def fold(self) -> dict[str, Tensor]:
        """The state of the fused form: one kernel and one bias. Folded in double precision."""
        weight, bias = self.lk_origin.weight, self.lk_origin.bias
        if self.branches:
            weight, bias = _folded(weight, self.origin_bn)
        for convolution, norm, dilation in self._small():
            small, shift = _folded(convolution.weight, norm)
            weight, bias = weight + _spread(small, dilation, weight.shape[2:]), bias + shift
        kind = self.lk_origin.weight.dtype
        return {"lk_origin.weight": weight.to(kind), "lk_origin.bias": bias.to(kind)}

    def _small(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d, int]]:
        """The small branches: convolution, norm, dilation."""
        parts = self._modules
        found = [(f"k{kernel}_{dilation}", dilation) for kernel, dilation in self.branches]
        return [(parts[f"dil_conv_{name}"], parts[f"dil_bn_{name}"], dilation) for name, dilation in found]  # type: ignore[misc]


def _depthwise(channels: int, kernel: tuple[int, int], *, dilation: int = 1, bias: bool = False) -> nn.Conv2d:
    """A centred depthwise convolution with the published start values."""
    centred = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    made = nn.Conv2d(channels, channels, kernel, padding=centred, dilation=dilation, groups=channels, bias=bias)
    start_projection(made)
    return made


def _folded(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution without bias and the batch norm after it, in evaluation."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return weight.double() * scale[:, None, None, None], norm.bias.double() - norm.running_mean.double() * scale


def _spread(weight: Tensor, dilation: int, kernel: torch.Size) -> Tensor:
    """A dilated kernel written out with its gaps, in the middle of a kernel of another size."""
    height, width = (dilation * (side - 1) + 1 for side in weight.shape[2:])
    spread = weight.new_zeros(*weight.shape[:2], height, width)
    spread[:, :, ::dilation, ::dilation] = weight
    top, left = (kernel[0] - height) // 2, (kernel[1] - width) // 2
    return F.pad(spread, (left, left, top, top))
