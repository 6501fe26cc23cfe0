"""Linear maps and learned vectors with the start values that the published vision transformers share."""

from __future__ import annotations

import torch
from torch import nn

_STD = 0.02


def projection(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear map of the last axis, started by `start_projection`."""
    made = nn.Linear(inputs, outputs, bias=bias)
    start_projection(made)
    return made


def embedding(*shape: int) -> nn.Parameter:
    """A parameter drawn from a normal distribution of deviation 0.02 cut off at -2 and 2."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=_STD))


def start_projection(linear: nn.Linear | nn.Conv2d, std: float = _STD) -> None:
    """Draw the weights from a normal distribution of deviation `std` cut off at -2 and 2, and set the bias to zero."""
    nn.init.trunc_normal_(linear.weight, std=std)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
