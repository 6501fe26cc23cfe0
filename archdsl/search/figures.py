"""Values of objectives as they are written."""

from __future__ import annotations

COUNTED = ("params", "flops")
"""Objectives that are counted, so that models have them that were never measured."""


def shown(name: str, value: float) -> str:
    """As tables have it: counts whole, all else with five digits."""
    return f"{round(value):_}" if name in COUNTED else f"{value:.5g}"


def exact(name: str, value: float) -> str:
    """With all digits, so that it reads back as the same number."""
    return f"{round(value):_}" if name in COUNTED else repr(value)
