"""A convolution padded as specs say it, for the components that are one."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.projection import start_projection
from archdsl.schema.sliding import padding
from archdsl.schema.units import FeatureMap, Size


class PaddedConvolution(nn.Conv2d):
    """Convolution of a map [B, C, H, W] into [B, out, H', W'].

    `pad` None centres odd kernels and leaves even ones bare; `same` is TensorFlow's rule, which depends on the size of the map.
    """

    def __init__(
        self, x: FeatureMap, *, out: int, kernel: Size, stride: Size, groups: int, bias: bool, pad: str | None
    ) -> None:
        assert x.size is not None
        self.same = pad == "same"
        top, _, left, _ = padding(x.size, kernel, stride, None)
        super().__init__(
            x.channels,
            out,
            tuple(kernel),
            stride=tuple(stride),
            padding=(0, 0) if self.same else (top, left),
            groups=groups,
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.same:
            size = Size(x.shape[2], x.shape[3])
            top, bottom, left, right = padding(size, Size(*self.kernel_size), Size(*self.stride), "same")
            x = F.pad(x, (left, right, top, bottom)) if max(bottom, right) > 0 else x
        return super().forward(x)


def start_by_fan_out(convolution: nn.Conv2d) -> None:
    """Draw the weights with deviation sqrt(2 / n), n numbers of the result reading each of the input; set the bias to zero."""
    reached = convolution.weight[0, 0].numel() * convolution.out_channels // convolution.groups
    nn.init.normal_(convolution.weight, std=(2 / reached) ** 0.5)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def start(convolution: nn.Conv2d, init: str) -> None:
    """Draw the weights again as `init` says; "uniform" is PyTorch's rule, by which they were drawn when it was made."""
    if init == "fan_out":
        start_by_fan_out(convolution)
    elif init == "normal":
        start_projection(convolution)
