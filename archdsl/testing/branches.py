"""Residual branches that start closed, opened: behind a factor of 0 nothing shows whether they are right."""

from __future__ import annotations

import torch
from torch import nn


def open_branches(module: nn.Module, *, seed: int = 0) -> None:
    """Draw the weights of normalisations that are all 0 between 0.5 and 1.5, as after some training."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.GroupNorm | nn.LayerNorm):
            weight = part.weight
            if weight is not None and not weight.any():
                with torch.no_grad():
                    weight.copy_(torch.rand(weight.shape, generator=generator) + 0.5)
