"""Names that Python code can spell."""

from __future__ import annotations

import keyword


def escaped_name(name: str) -> str:
    """The name, with one more underscore after it where it is a keyword of Python, with or without underscores after it.

    Different names stay different: `class` becomes `class_`, so that `class_` becomes `class__`.
    """
    return f"{name}_" if keyword.iskeyword(name.rstrip("_")) else name
