"""The reference of `squeeze_excite`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.squeeze_excite import spec as schema
from archdsl.components.projection import projection
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap


class SqueezeExcite(nn.Module):
    """Each channel of a map [B, C, H, W] times a gate between 0 and 1, made of the pooled map."""

    def __init__(self, spec: schema.SqueezeExcite, x: FeatureMap) -> None:
        super().__init__()
        reduced = spec.reduced(x)
        self.pool = instantiate(spec.pool, x)
        self.reduce = projection(x.channels, reduced.channels)
        self.act = instantiate(spec.act, reduced)
        self.expand = projection(reduced.channels, x.channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(self.act(self.reduce(self.pool(x)))).sigmoid()  # [B, C]
        return x * gate[:, :, None, None]
