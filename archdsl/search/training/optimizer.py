"""AdamW with the decay of the papers, and the rate of each step."""

from __future__ import annotations

from math import cos, pi

import torch
from torch import nn

from archdsl.search.training.recipe import Recipe


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the weights in two groups: with decay, and without (`no_weight_decay` of the model)."""
    bare = model.no_weight_decay()
    named = list(model.named_parameters())
    groups = [
        {"params": [value for name, value in named if name not in bare], "weight_decay": recipe.weight_decay},
        {"params": [value for name, value in named if name in bare], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=recipe.lr)


def rate(step: int, steps: int, warmup: float) -> float:
    """The share of the highest rate at a step from 0 to `steps` - 1: rising evenly, then falling to 0 by half a cosine."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    return (1 + cos(pi * (step - rising) / max(1, steps - rising))) / 2
