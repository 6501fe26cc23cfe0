"""The reference of `select`."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.components.map.select import spec as schema
from archdsl.schema.units import FeatureMap


class Select(nn.Module):
    """Some of the tokens [B, C, N]: a vector [B, C] for one, [B, C, n] for several, the grid as a map [B, C, H, W]."""

    def __init__(self, spec: schema.Select, x: FeatureMap) -> None:
        super().__init__()
        self.grid = x.size if spec.tokens == "patches" and x.tokens else None
        self.start, self.count = x.extra, 0
        start = 0
        for token in x.tokens:
            if token.name == spec.tokens:
                self.start, self.count = start, token.count
            start += token.count

    def forward(self, x: Tensor) -> Tensor:
        if self.count == 0:
            return x if self.grid is None else x[..., self.start :].unflatten(-1, self.grid)
        if x.dim() == 2:
            return x
        some = x[..., self.start : self.start + self.count]
        return some.squeeze(-1) if self.count == 1 else some
