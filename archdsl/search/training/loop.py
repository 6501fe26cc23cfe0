"""The engine of the loop: pytorch-ignite, imported in one place."""

from __future__ import annotations

import logging
import warnings
from functools import cache
from types import ModuleType

from archdsl.search.data import fault


@cache
def ignite() -> tuple[ModuleType, ModuleType]:
    """`ignite.engine` and `ignite.metrics`.

    Raises
    ------
    SpecError: `missing-package`.
    """
    with warnings.catch_warnings():
        # it imports all of torch's distributed optimizers, which say that TorchScript has had its day
        warnings.filterwarnings("ignore", r"`torch\.jit", DeprecationWarning)
        warnings.filterwarnings("ignore", "`TorchScript`", DeprecationWarning)
        found = tuple(
            fault.package(f"ignite.{name}", of="pytorch-ignite", extra="train", purpose="training")
            for name in ("engine", "metrics")
        )
    # what ends an epoch early is told by whoever asked for the training
    logging.getLogger("ignite").addHandler(logging.NullHandler())
    return found
