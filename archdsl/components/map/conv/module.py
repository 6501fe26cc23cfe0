"""The reference of `conv`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archdsl.components.map.conv.spec import Conv
from archdsl.schema.sliding import padding
from archdsl.schema.units import FeatureMap, Size


class Convolution(nn.Conv2d):
    """Convolution of a map [B, C, H, W] into [B, out, H', W']; started as PyTorch starts convolutions."""

    def __init__(self, spec: Conv, x: FeatureMap) -> None:
        assert x.size is not None
        self.same = spec.pad == "same"
        # without TensorFlow's rule the padding does not depend on the size of the map
        top, _, left, _ = padding(x.size, spec.kernel, spec.stride, None)
        super().__init__(
            x.channels,
            spec.out,
            tuple(spec.kernel),
            stride=tuple(spec.stride),
            padding=(0, 0) if self.same else (top, left),
            groups=spec.groups,
            bias=spec.bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.same:
            size = Size(x.shape[2], x.shape[3])
            top, bottom, left, right = padding(size, Size(*self.kernel_size), Size(*self.stride), "same")
            x = F.pad(x, (left, right, top, bottom)) if max(bottom, right) > 0 else x
        return super().forward(x)
