"""Which images are learnt from and which are judged by: drawn class by class from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from archdsl.search.data import fault


@dataclass(frozen=True, slots=True)
class Split:
    """Which images there are to train and to validate with.

    val_share: share of each class that is kept for validation, where the data itself has no split.
    seed: which ones these are, and which images are left out.
    train_images, val_images: at most so many, the classes evenly; None for all.
    """

    val_share: float = 0.2
    seed: int = 0
    train_images: int | None = None
    val_images: int | None = None


DEFAULT = Split()


def by_class(labels: Sequence[int], classes: int) -> list[list[int]]:
    """The indices of each class, in order."""
    found: list[list[int]] = [[] for _ in range(classes)]
    for index, label in enumerate(labels):
        found[label].append(index)
    return found


def divided(labels: Sequence[int], names: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices to train with and indices to validate with, about a `share` of each class among the latter, at least one.

    Raises
    ------
    SpecError: `too-few-images`, when a class has fewer than two.
    """
    random = Random(f"split {seed}")
    train: list[int] = []
    val: list[int] = []
    for name, indices in zip(names, by_class(labels, len(names)), strict=True):
        if len(indices) < 2:
            some = "one image" if indices else "no image"
            help = "a class takes at least one image to train with and one to validate with"
            raise fault.too_few(f"class `{name}` has {some}", help)
        random.shuffle(indices)
        count = min(len(indices) - 1, max(1, round(share * len(indices))))
        val += indices[:count]
        train += indices[count:]
    return sorted(train), sorted(val)


def fewer(labels: Sequence[int], names: Sequence[str], count: int, seed: int) -> list[int]:
    """At most `count` indices, the classes as equally many as can be.

    Raises
    ------
    SpecError: `too-few-images`, when `count` leaves none for some class.
    """
    if count >= len(labels):
        return list(range(len(labels)))
    if count < len(names):
        raise fault.too_few(f"{count} images of {len(names)} classes leave none for some", "take at least one of each class")
    random = Random(f"fewer {seed}")
    left = by_class(labels, len(names))
    for indices in left:
        random.shuffle(indices)
    found: list[int] = []
    while len(found) < count:
        for indices in left:
            if indices and len(found) < count:
                found.append(indices.pop())
    return sorted(found)
