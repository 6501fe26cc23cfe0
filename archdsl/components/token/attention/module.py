"""The reference of `attention`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.maps import channels_first, channels_last
from archdsl.components.projection import projection
from archdsl.components.token.attention.spec import Attention
from archdsl.schema.units import FeatureMap


class FullAttention(nn.Module):
    """Attention of each position of a map [B, C, H, W] to all of them, with a convolution added where `lepe` says so."""

    def __init__(self, spec: Attention, x: FeatureMap) -> None:
        super().__init__()
        channels = x.channels
        self.heads = spec.heads_for(channels)
        self.scale = (channels // self.heads) ** -0.5
        self.of_input = spec.lepe_of == "input"
        self.qkv = projection(channels, 3 * channels, bias=spec.qkv_bias)
        self.proj = projection(channels, channels)
        self.lepe = None
        if spec.lepe:
            sides = (spec.lepe.height // 2, spec.lepe.width // 2)
            self.lepe = nn.Conv2d(channels, channels, tuple(spec.lepe), padding=sides, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        qkv = self.qkv(channels_last(x))  # [B, H, W, 3C]
        parts = qkv.reshape(batch, height * width, 3, self.heads, channels // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)  # [B, heads, HW, head_dim] each

        weight = (q * self.scale).matmul(k.transpose(-2, -1)).softmax(-1)  # [B, heads, HW, HW]
        y = weight.matmul(v).transpose(1, 2).reshape(batch, height, width, channels)
        if self.lepe is not None:
            source = x if self.of_input else channels_first(qkv[..., 2 * channels :])
            y = y + channels_last(self.lepe(source))
        return channels_first(self.proj(y))
