"""The names of the samplers, which are known without Optuna."""

from __future__ import annotations

SAMPLERS = ("auto", "random", "tpe", "nsga2", "gp")
