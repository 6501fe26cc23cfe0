"""Views and tilings of maps that the references share."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def channels_last(x: Tensor) -> Tensor:
    """A map [B, C, H, W] seen as [B, H, W, C], tokens [B, C, N] as [B, N, C]; a vector [B, C] stays."""
    if x.dim() == 4:
        return x.permute(0, 2, 3, 1)
    return x.transpose(1, 2) if x.dim() == 3 else x


def channels_first(x: Tensor) -> Tensor:
    """[B, H, W, C] seen as [B, C, H, W], [B, N, C] as [B, C, N]; a vector [B, C] stays."""
    if x.dim() == 4:
        return x.permute(0, 3, 1, 2)
    return x.transpose(1, 2) if x.dim() == 3 else x


def by_channel(weight: Tensor, x: Tensor) -> Tensor:
    """A number for each channel, [C], seen so that it broadcasts over a map, tokens or a vector."""
    return weight.reshape(-1, *(1,) * (x.dim() - 2))


def padded_to(x: Tensor, step: tuple[int, int]) -> Tensor:
    """A map [B, H, W, C] with zeros at the bottom and right, up to the next multiple of `step`."""
    bottom, right = -x.shape[1] % step[0], -x.shape[2] % step[1]
    return F.pad(x, (0, 0, 0, right, 0, bottom)) if bottom or right else x


def into_tiles(x: Tensor, grid: tuple[int, int], tile: tuple[int, int]) -> Tensor:
    """[B, H, W, C] cut into `grid` tiles of size `tile`: [B, tiles, positions of a tile, C], both row by row."""
    batch, channels = x.shape[0], x.shape[-1]
    x = x.reshape(batch, grid[0], tile[0], grid[1], tile[1], channels).transpose(2, 3)
    return x.reshape(batch, grid[0] * grid[1], tile[0] * tile[1], channels)


def from_tiles(x: Tensor, grid: tuple[int, int], tile: tuple[int, int]) -> Tensor:
    """The map that `into_tiles` cut."""
    batch, channels = x.shape[0], x.shape[-1]
    x = x.reshape(batch, grid[0], grid[1], tile[0], tile[1], channels).transpose(2, 3)
    return x.reshape(batch, grid[0] * tile[0], grid[1] * tile[1], channels)
