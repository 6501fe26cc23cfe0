"""The reference of `class_token`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.class_token import spec as schema
from archdsl.components.projection import embedding
from archdsl.components.tokens import with_tokens
from archdsl.schema.units import FeatureMap


class ClassToken(nn.Module):
    """A map [B, C, H, W] or tokens [B, C, N] with one more token before the grid: [B, C, N + 1].

    The token is drawn from a normal distribution of deviation 0.02 cut off at -2 and 2.
    """

    def __init__(self, spec: schema.ClassToken, x: FeatureMap) -> None:
        super().__init__()
        self.extra = x.extra
        self.weight = embedding(x.channels)

    def forward(self, x: Tensor) -> Tensor:
        return with_tokens(x, self.weight[:, None], self.extra)
