"""Modules to hold against slow formulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def stirred(make: Callable[[], Any]) -> Any:
    """What `make` makes, a module of double precision, its tables too, with weights far from zero."""
    torch.manual_seed(3)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        module = make()
    finally:
        torch.set_default_dtype(default)
    with torch.no_grad():
        for value in module.parameters():
            value.normal_(0, 0.5)
    return module
