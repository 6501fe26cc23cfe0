"""What of the tests of kernels is run: Triton interprets or compiles in a process, not both.

`make test` runs what stands in this folder itself. With TRITON_INTERPRET=1 the tests of `interpreted` run, and no others;
those of `ahead` where they are named, by their path or `-m ahead`. At the end the numbers of both are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archdsl.kernels.interpreter import INTERPRETED
from archdsl.testing import parity

_HERE = Path(__file__).parent
_TOLD = {"parity": "cases of parity with float64", "specialisations": "compiled specialisations"}
_cases = 0
_errors = parity.errors


def _counted(*args: Any, **options: Any) -> Any:
    global _cases
    _cases += 1
    return _errors(*args, **options)


# before any test imports it
parity.errors = _counted


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.parent != _HERE or collection_path.name.startswith("conftest"):
        return None
    name = collection_path.name
    if INTERPRETED:
        return True if name != "interpreted" else None
    if name == "interpreted" or (name == "ahead" and not (_is_named(name, config) or config.option.markexpr == "ahead")):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # what is named by its path is collected in any case
    folders = {item.path.relative_to(_HERE).parts[0] for item in items if item.path.is_relative_to(_HERE)}
    if "interpreted" in folders and not INTERPRETED:
        raise pytest.UsageError("Triton does not interpret here: set TRITON_INTERPRET=1")
    if INTERPRETED and folders - {"interpreted"}:
        raise pytest.UsageError("this is to be run where Triton does not interpret: unset TRITON_INTERPRET")


def _is_named(folder: str, config: pytest.Config) -> bool:
    """Whether the call names a folder here, or something in it."""
    named = (Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args)
    return any(path.is_relative_to(_HERE / folder) for path in named)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    before = _cases
    result = yield
    if _cases > before:
        item.user_properties.append(("parity", _cases - before))
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals = dict.fromkeys(_TOLD, 0)
    for report in terminalreporter.stats.get("passed", ()):
        for name, number in report.user_properties if report.when == "call" else ():
            if name in totals:
                totals[name] += number
    for name, total in totals.items():
        if total:
            terminalreporter.write_line(f"{total} {_TOLD[name]}")
