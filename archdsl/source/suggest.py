"""Did you mean ...?"""

from __future__ import annotations

from collections.abc import Iterable

_LIST_UP_TO = 8


def distance(a: str, b: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) that make `b` of `a`; restricted Damerau-Levenshtein."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before = before, row
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` most likely meant, or None."""
    folded = word.casefold()
    names = sorted(set(candidates))
    for name in names:
        if name.casefold() == folded:
            return name
    # `s3` is no misspelt `s1`: a number is not mistyped, it is meant
    names = [name for name in names if _letters(name) != _letters(word)]
    # a name far longer than any candidate is no typing mistake, and comparing it would be slow
    if len(word) > 64:
        return None
    limit = max(1, len(word) // 3)
    near = [(distance(folded, name.casefold()), name) for name in names if abs(len(name) - len(word)) <= limit]
    best = min(near, default=None)
    return best[1] if best and best[0] <= limit else None


def _letters(word: str) -> str:
    return word.casefold().rstrip("0123456789")


def _containing(word: str, candidates: Iterable[str]) -> list[str]:
    """The candidates that a shortened word, such as `norm`, is the end or the beginning of."""
    folded = word.casefold()
    if len(word) < 3 or len(word) > 64:
        return []
    return sorted(name for name in candidates if name.casefold().endswith(folded) or name.casefold().startswith(folded))


def did_you_mean(word: str, candidates: Iterable[str], what: str = "one of") -> str:
    """The help line for an unknown word: the closest candidate, else all of them if they are few, else nothing."""
    names = sorted(set(candidates))
    if best := closest(word, names):
        return f"did you mean `{best}`?"
    if longer := _containing(word, names)[:3]:
        return f"did you mean {' or '.join(f'`{name}`' for name in longer)}?"
    if 0 < len(names) <= _LIST_UP_TO:
        return f"{what} " + ", ".join(f"`{name}`" for name in names)
    return ""
