"""Arguments of the Python API: read as they are meant, or refused with the name of the argument and what it takes."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence

# height and width in pixels: `(64, 64)`, `"64x64"`, or `64` for a square
SizeLike = Sequence[int] | str | int
# channels first: `(3, 64, 64)` or `"3x64x64"`
ImageLike = Sequence[int] | str
PathLike = str | os.PathLike[str]


def size(value: SizeLike | None) -> tuple[int, int] | None:
    """Height and width of `at`."""
    if value is None:
        return None
    takes = '`at` takes height and width in pixels, such as (224, 224), "224x224" or 224'
    numbers = _numbers(value, takes)
    if len(numbers) == 1 and not isinstance(value, Sequence | str):
        return numbers[0], numbers[0]
    if len(numbers) != 2:
        raise ValueError(f"{takes}, not {value!r}")
    return numbers[0], numbers[1]


def image(value: ImageLike | None) -> tuple[int, int, int] | None:
    """Channels, height and width of `input`."""
    if value is None:
        return None
    takes = '`input` takes channels, height and width, such as (3, 224, 224) or "3x224x224"'
    numbers = _numbers(value, takes)
    if len(numbers) != 3:
        raise ValueError(f"{takes}, not {value!r}; `at` takes height and width alone")
    return numbers[0], numbers[1], numbers[2]


def whole(value: int, name: str) -> int:
    """A whole number, such as `classes` or `seed`; those of other libraries as well."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"`{name}` takes a whole number, not {value!r}")


def overrides(value: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Overrides by path of `set`."""
    if value is None or (isinstance(value, Mapping) and all(isinstance(path, str) for path in value)):
        return value
    raise TypeError(f'`set` takes overrides by path, such as {{"s3.depth": 9}}, not {value!r}')


def names(value: Sequence[str] | None, name: str) -> tuple[str, ...] | None:
    """Several names, in their order."""
    if value is None:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise TypeError(f"`{name}` takes a list of names, not {value!r}")


def path(value: PathLike, name: str = "spec") -> str:
    """A path as text."""
    found = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(found, str):
        raise TypeError(f"`{name}` takes a path, not {type(value).__name__}")
    return found


def _numbers(value: Sequence[int] | str | int, takes: str) -> list[int]:
    if isinstance(value, str):
        words = value.split("x")
        if not all(word.isascii() and word.isdecimal() and len(word) < 7 for word in words):
            raise ValueError(f"{takes}, not {value!r}")
        return [int(word) for word in words]
    try:
        return [whole(number, "") for number in (value if isinstance(value, Sequence) else [value])]
    except TypeError:
        raise TypeError(f"{takes}, not {value!r}") from None
