"""Why a database cannot be used, where waiting for it would not help: its driver is missing, or it refuses the one who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator

# what is installed for a driver that is not called as its package
_PACKAGES = {
    "psycopg": "archdsl[postgresql]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python",
}
# drivers tell these by their text alone: those of PostgreSQL and of MySQL
_REFUSALS = {
    "user and password": (
        r"authentication failed|access denied|no pg_hba\.conf entry|role \"[^\"]*\" does not exist|no password supplied"
    ),
    "the name of the database; an empty one has to be made before": r"database \"[^\"]*\" does not exist|unknown database",
    "the name of the host": r"resolve host|name or service not known|nodename nor servname|unknown mysql server|getaddrinfo",
}


def missing_driver(error: BaseException) -> str:
    """What to install for a driver that is not there; nothing where that is not known."""
    found: BaseException | None = error
    # Optuna puts an error of its own around that of Python, which has the name
    while found is not None and not getattr(found, "name", None):
        found = found.__cause__ or found.__context__
    module = (getattr(found, "name", None) or "").partition(".")[0]
    package = _PACKAGES.get(module, module)
    shown = f"'{package}'" if "[" in package else package
    return f"`pip install {shown}` brings the driver" if package else ""


def refusal(error: BaseException) -> tuple[str, str] | None:
    """What a server said that refuses, on one line, and what to look at; None where it may answer when it is asked again."""
    for text in _texts(error):
        for what, pattern in _REFUSALS.items():
            if re.search(pattern, text, re.IGNORECASE):
                return _line(text), f"look at {what}"
    return None


def _texts(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        original = getattr(error, "orig", None)
        if isinstance(original, BaseException):
            yield str(original)
        error = error.__cause__


def _line(text: str) -> str:
    """The first of several lines; the others repeat it for further addresses of the host."""
    return " ".join(text.strip().splitlines()[0].split())
