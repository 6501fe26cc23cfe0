"""What attention by the cosine of queries and keys learns beside its projections."""

from __future__ import annotations

import math

import torch
from torch import nn

# the softplus of a temperature is 1 / 0.24 at the start
_SHARPNESS = 1 / 0.24


def temperature(heads: int) -> nn.Parameter:
    """The temperature of each head [heads, 1, 1], at its start."""
    return nn.Parameter(torch.full((heads, 1, 1), math.log(math.expm1(_SHARPNESS))))


def small(*shape: int) -> nn.Parameter:
    """A parameter drawn from a normal distribution of deviation 0.02 cut off at -2 and 2, as published for embeddings."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))
