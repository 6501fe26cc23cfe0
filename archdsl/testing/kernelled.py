"""What belongs to a component that has a kernel."""

from __future__ import annotations

import importlib
from pathlib import Path

from archdsl.kernels.choice import Kernelled
from archdsl.kernels.operator import OPERATORS
from archdsl.schema.component import Component

_FILES = ("operator.py", "samples.py", "kernel.py", "configurations.json")


def check_kernelled(component: type[Component], folder: Path, tests: Path) -> None:
    """Raise `AssertionError` where something is missing beside the spec in `folder`, or among the tests.

    `tests` is the folder of the test of the component; `kernels/interpreted` is in it, or beside it.
    """
    path, _, name = component.schema.module.partition(":")
    if not issubclass(getattr(importlib.import_module(path), name), Kernelled):
        return
    missing = [file for file in _FILES if not (folder / file).is_file()]
    assert not missing, f"its module is `Kernelled`, and {', '.join(missing)} is not beside the spec"
    package = path.rpartition(".")[0]
    importlib.import_module(f"{package}.operator")
    owned = [operator for operator in OPERATORS.values() if operator.samples().__name__ == f"{package}.samples"]
    assert owned, f"`{package}.operator` makes no `Operator` with `folder={package!r}`"
    samples = owned[0].samples()
    assert samples.PUBLISHED and samples.ODD and samples.LARGEST, "its `samples` have no shapes"
    assert "\n## The kernel\n" in (folder / "README.md").read_text(encoding="utf-8"), "its README has no section `The kernel`"
    test = f"kernels/interpreted/test_{component.schema.name}.py"
    assert any((place / test).is_file() for place in (tests, tests.parent)), f"there is no `{test}` beside its other tests"
