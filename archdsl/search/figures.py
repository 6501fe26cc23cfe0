"""Values of objectives, and times, as they are written."""

from __future__ import annotations

COUNTED = ("params", "flops")
"""Objectives that are counted, so that models have them that were never measured."""


def shown(name: str, value: float) -> str:
    """As tables have it: counts whole, all else with five digits."""
    return f"{round(value):_}" if name in COUNTED else f"{value:.5g}"


def exact(name: str, value: float) -> str:
    """With all digits, so that it reads back as the same number."""
    return f"{round(value):_}" if name in COUNTED else repr(value)


def duration(seconds: float) -> str:
    """`0.4 s`, `58 s`, `12 min`, `3.4 h`, `2.5 days`."""
    for unit, size, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{_short(seconds / size)} {unit}"
    return f"{_short(seconds / 86400)} days"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"
