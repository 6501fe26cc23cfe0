"""A declarative language for vision backbones, and the tool around it.

import archdsl

spec = archdsl.load("specs/biformer_t.arch")     # read, resolved, checked: no torch yet
model = archdsl.build(spec)                      # an nn.Module
"""

from __future__ import annotations

# what type checkers know under this name; to import it costs more than all the rest
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from archdsl.api import Spec as Spec
    from archdsl.api import check as check
    from archdsl.api import load as load
    from archdsl.api import loads as loads
    from archdsl.building import build as build
    from archdsl.building import count as count
    from archdsl.building import load_build as load_build
    from archdsl.lowering.export import load_program as load_program
    from archdsl.lowering.fuse import fuse as fuse
    from archdsl.source.diagnostic import Diagnostic as Diagnostic
    from archdsl.source.diagnostic import SpecError as SpecError
    from archdsl.verifying import verify as verify

__version__ = "0.1.0"

__all__ = [
    "Diagnostic",
    "Spec",
    "SpecError",
    "__version__",
    "build",
    "check",
    "count",
    "fuse",
    "load",
    "load_build",
    "load_program",
    "loads",
    "verify",
]

_HOMES = {
    "Diagnostic": "archdsl.source.diagnostic",
    "Spec": "archdsl.api",
    "SpecError": "archdsl.source.diagnostic",
    "build": "archdsl.building",
    "check": "archdsl.api",
    "count": "archdsl.building",
    "fuse": "archdsl.lowering.fuse",
    "load": "archdsl.api",
    "load_build": "archdsl.building",
    "load_program": "archdsl.lowering.export",
    "loads": "archdsl.api",
    "verify": "archdsl.verifying",
}


def __getattr__(name: str) -> Any:
    # each name costs what it needs when it is first used: `check` never pays for torch
    if name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'archdsl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
