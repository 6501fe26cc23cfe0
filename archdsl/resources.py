"""Where the files that come with archdsl lie: grammars, packaged specs, studies and the pages of `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["grammars", "specs", "search", "errors"]

_PACKAGE = Path(__file__).parent
# a wheel carries the folders below the package; a checkout and an editable install have them beside it
_CHECKOUT: dict[str, str] = {"grammars": "grammars", "specs": "specs", "search": "search", "errors": "docs/errors"}


def data_path(kind: Kind) -> Path:
    """Return the folder that holds the files of `kind`.

    The folder of an installed wheel comes first, then the one of the checkout. It need not exist: a bare copy of the package
    has none.
    """
    packaged = _PACKAGE / "_data" / kind
    return packaged if packaged.is_dir() else _PACKAGE.parent / _CHECKOUT[kind]
