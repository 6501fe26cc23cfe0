"""The operators of the components that have kernels."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archdsl.kernels.operator import Operator


def operators() -> Mapping[str, Operator]:
    """All operators by name, in the order of names: those of the built-in components, and those that are imported already.

    Imports torch, but no component whole.
    """
    folder = Path(__file__).parent
    for path in sorted(folder.glob("*/*/operator.py")):
        importlib.import_module(".".join(("archdsl.components", *path.parent.relative_to(folder).parts, "operator")))
    from archdsl.kernels.operator import OPERATORS

    return dict(sorted(OPERATORS.items()))
