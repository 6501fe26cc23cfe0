"""The operators of the components that have kernels."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from archdsl.schema import registry
from archdsl.schema.component import Component

if TYPE_CHECKING:
    from archdsl.kernels.operator import Operator


def operators() -> Mapping[str, Operator]:
    """All operators by name, in the order of names, those of installed packages among them.

    Imports torch, and of the components no more than their specs and operators.
    """
    for name in registry.names():
        component = registry.lookup(name)
        # a plugin that is broken has none
        if isinstance(component, type) and issubclass(component, Component):
            package = component.__module__.rpartition(".")[0]
            if package and find_spec(f"{package}.operator"):
                importlib.import_module(f"{package}.operator")
    from archdsl.kernels.operator import OPERATORS

    return dict(sorted(OPERATORS.items()))
