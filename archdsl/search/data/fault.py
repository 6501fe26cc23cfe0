"""What can be wrong with data, as one error that names it."""

from __future__ import annotations

import importlib
from types import ModuleType

from archdsl.source.diagnostic import Diagnostic, SpecError


def missing(message: str, help: str = "") -> SpecError:
    """There is nothing where the data is said to be."""
    return SpecError([Diagnostic("missing-data", message, help=help)])


def unreadable(message: str, help: str = "") -> SpecError:
    """A file of the data cannot be read."""
    return SpecError([Diagnostic("unreadable-data", message, help=help)])


def wrong(message: str, help: str = "") -> SpecError:
    """The data is not what the spec takes, or what its form promises."""
    return SpecError([Diagnostic("wrong-data", message, help=help)])


def too_few(message: str, help: str = "") -> SpecError:
    """A class has too few images to learn it and to look at what was learnt."""
    return SpecError([Diagnostic("too-few-images", message, help=help)])


def package(module: str, *, of: str, extra: str, purpose: str) -> ModuleType:
    """An optional module, or the error that says what brings it.

    Raises
    ------
    SpecError: `missing-package`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").split(".")[0] != module.split(".")[0]:
            raise
        help = f"`pip install {of}`, or `pip install archdsl[{extra}]`"
        raise SpecError([Diagnostic("missing-package", f"{purpose} needs the package `{of}`", help=help)]) from None
