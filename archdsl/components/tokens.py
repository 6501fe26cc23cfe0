"""Lists of tokens [B, C, N]: extra ones first, then the grid row by row."""

from __future__ import annotations

import torch
from torch import Tensor


def with_tokens(x: Tensor, tokens: Tensor, extra: int) -> Tensor:
    """A map [B, C, H, W], or a list whose first `extra` tokens are no grid, with learned `tokens` [C, n] before its grid."""
    x = x.flatten(2)
    added = tokens.expand(x.shape[0], -1, -1).to(x.dtype)
    return torch.cat([x[..., :extra], added, x[..., extra:]], dim=-1) if extra else torch.cat([added, x], dim=-1)
