"""Names that Python code can spell."""

from __future__ import annotations

import keyword


def escaped_name(name: str) -> str:
    """The name, with an underscore after it where it is a keyword of Python."""
    return f"{name}_" if keyword.iskeyword(name) else name
