"""The reference of the bias by distance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.components.position.offsets import HIDDEN, offsets
from archdsl.components.projection import projection
from archdsl.components.tables import Tabled
from archdsl.schema.units import Size

# a distance of all of the pretrained axis becomes log2(8 + 1) / log2(8)
_RANGE = 8


class PositionBias(Tabled):
    """For each head a bias of each position towards each cell of the map: a small network of the distance.

    Distances are measured on the axes of `pretrain`, or of the map itself, and compressed by a logarithm. The network sees
    each pair of distances once, however many positions and cells have it, and whatever the number of images.
    """

    def __init__(self, size: Size, cells: Size, *, heads: int, pretrain: Size | None) -> None:
        super().__init__()
        self.heads = heads
        self.pretrain = pretrain
        self.fc1 = projection(2, HIDDEN)
        self.fc2 = projection(HIDDEN, heads)
        self.size, self.cells = size, cells
        self.keep_tables()

    def forward(self, size: Size, cells: Size) -> Tensor:
        """The biases [heads, H * W, cells] of a map of `size`."""
        table, down, across = self.table, self.down, self.across
        if (size, cells) != (self.size, self.cells):
            table, down, across = self._tables(size, cells)
        bias = self.fc2(F.relu(self.fc1(table)))  # [distances down, distances across, heads]
        bias = bias.index_select(0, down).index_select(1, across)
        bias = bias.reshape(size.height, cells.height, size.width, cells.width, self.heads)
        return bias.permute(4, 0, 2, 1, 3).reshape(self.heads, size.area, cells.area)

    def tables(self) -> Mapping[str, Tensor]:
        return dict(zip(("table", "down", "across"), self._tables(self.size, self.cells), strict=True))

    def _tables(self, size: Size, cells: Size) -> tuple[Tensor, Tensor, Tensor]:
        """Each pair of compressed distances, and which of them each position and cell has, by axis."""
        axes, indices = [], []
        like = self.fc1.weight
        for length, count, scale in zip(size, cells, self.pretrain or size, strict=True):
            found = offsets(length, count)
            # an axis of length 1 has one distance, which is 0
            steps = torch.tensor(found.half_steps, dtype=torch.float64) / 2 * (_RANGE / max(scale - 1, 1))
            compressed = steps.sign() * (steps.abs() + 1).log2() / torch.tensor(float(_RANGE)).log2()
            axes.append(compressed.to(like))
            indices.append(torch.tensor(found.which, device=like.device))
        table = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        return table, *indices
