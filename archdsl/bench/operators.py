"""The operators there are, by their names."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from archdsl.kernels.operator import OPERATORS, Operator
from archdsl.schema import registry
from archdsl.schema.component import Component


def operators() -> dict[str, Operator]:
    """All operators, those of installed packages among them. Imports the operators of all components."""
    for name in registry.names():
        component = registry.lookup(name)
        # a plugin that is broken has none
        if isinstance(component, type) and issubclass(component, Component):
            package = component.__module__.rpartition(".")[0]
            if package and find_spec(f"{package}.operator"):
                importlib.import_module(f"{package}.operator")
    return dict(sorted(OPERATORS.items()))
