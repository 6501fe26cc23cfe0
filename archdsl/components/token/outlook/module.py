"""The reference of `outlook`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.components.token.outlook.spec import Outlook
from archdsl.schema.units import FeatureMap


class OutlookAttention(nn.Module):
    """Mixing of the values in windows of a map [B, C, H, W], by weights that a linear map makes of the window's middle.

    What lies outside the map has the value zero and is not masked. Where windows overlap, what they give is added.
    """

    def __init__(self, spec: Outlook, x: FeatureMap) -> None:
        super().__init__()
        self.kernel, self.stride = tuple(spec.kernel), tuple(spec.stride)
        self.sides = (spec.kernel.height // 2, spec.kernel.width // 2)
        self.heads = spec.heads_for(x.channels)
        self.scale = (x.channels // self.heads) ** -0.5
        self.v = projection(x.channels, x.channels, bias=False)
        self.attn = projection(x.channels, spec.logits(x.channels))
        self.proj = projection(x.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        places = self.kernel[0] * self.kernel[1]

        v = channels_first(self.v(channels_last(x)))
        v = F.unfold(v, self.kernel, padding=self.sides, stride=self.stride)  # [B, C * places, windows]
        v = v.reshape(batch, self.heads, channels // self.heads, places, -1).permute(0, 1, 4, 3, 2)

        # a window at the rim of the map has the mean of those positions that there are
        middle = F.avg_pool2d(x, self.stride, self.stride, ceil_mode=True)
        logits = self.attn(middle.flatten(2).transpose(1, 2)).reshape(batch, -1, self.heads, places, places).transpose(1, 2)

        y = (logits * self.scale).softmax(-1).matmul(v)  # [B, heads, windows, places, head_dim]
        y = y.permute(0, 1, 4, 3, 2).reshape(batch, channels * places, -1)
        y = F.fold(y, (height, width), self.kernel, padding=self.sides, stride=self.stride)
        return channels_first(self.proj(channels_last(y)))
