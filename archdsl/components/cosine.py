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
