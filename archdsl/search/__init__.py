"""From a space to better specs under a hard budget: an Optuna study in a folder.

from archdsl.search import run

history = run("studies/biformer", trials=100)     # goes on where it was stopped with `resume`
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from archdsl.search.interrupts import Interrupted as Interrupted
    from archdsl.search.pareto import front as front
    from archdsl.search.running import resume as resume
    from archdsl.search.running import run as run
    from archdsl.search.running import worker as worker
    from archdsl.search.trials import History as History
    from archdsl.search.trials import Trial as Trial
    from archdsl.search.trials import history as history

__all__ = ["History", "Interrupted", "Trial", "front", "history", "resume", "run", "worker"]

_HOMES = {
    "History": "archdsl.search.trials",
    "Interrupted": "archdsl.search.interrupts",
    "Trial": "archdsl.search.trials",
    "front": "archdsl.search.pareto",
    "history": "archdsl.search.trials",
    "resume": "archdsl.search.running",
    "run": "archdsl.search.running",
    "worker": "archdsl.search.running",
}


def __getattr__(name: str) -> Any:
    # whoever looks at a study pays for what runs one only when it is asked for
    if name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'archdsl.search' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
