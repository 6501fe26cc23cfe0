"""The reference of `patch_embed`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.convolution import start
from archdsl.components.map.patch_embed.spec import PatchEmbed
from archdsl.schema.units import FeatureMap


class PatchEmbedding(nn.Conv2d):
    """Patches of [B, C, H, W], each made one position of [B, out, H', W']."""

    def __init__(self, spec: PatchEmbed, x: FeatureMap) -> None:
        kernel, stride, margin = tuple(spec.kernel), tuple(spec.stride), tuple(spec.margin)
        super().__init__(x.channels, spec.out, kernel, stride=stride, padding=margin)
        start(self, spec.init)

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = -x.shape[2] % self.stride[0], -x.shape[3] % self.stride[1]
        return super().forward(F.pad(x, (0, right, 0, bottom)) if bottom or right else x)
