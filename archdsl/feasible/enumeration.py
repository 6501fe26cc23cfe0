"""Counting the points of a small space sum by sum, however many quantities its budgets bound."""

from __future__ import annotations

import numpy as np

from archdsl.feasible.structure import Structure
from archdsl.feasible.window import Window


def counted(structure: Structure, window: Window) -> int:
    """How many points lie in the window. Holds a row for each sum of costs: at most as many as there are points."""
    number = len(structure.bounds)
    sums = [(np.zeros((1, number), np.int64), np.ones(1, np.int64))]
    for layer in structure.layers:
        costs = [np.array([group.costs for group in table.groups], np.int64).reshape(-1, number) for table in layer.tables]
        arriving: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for (table, following), (rows, counts) in zip(layer.states, sums, strict=True):
            for group, cost in zip(layer.tables[table].groups, costs[table], strict=True):
                arriving.setdefault(following[group.step], []).append((rows + cost, counts * len(group.assignments)))
        sums = [_merged(arriving[state]) for state in sorted(arriving)]
    rows, counts = sums[0] if len(sums) == 1 else _merged(sums)
    inside = np.ones(len(rows), bool)
    for place, (least, most) in enumerate(zip(window.least, window.most, strict=True)):
        inside &= (rows[:, place] >= (least or 0)) & (most is None or rows[:, place] <= most)
    return int(counts[inside].sum())


def _merged(pieces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Equal sums together, with how often they come in all."""
    rows = np.concatenate([rows for rows, _ in pieces])
    counts = np.concatenate([counts for _, counts in pieces])
    if not rows.shape[1]:
        return rows[:1], counts.sum(keepdims=True)
    distinct, places = np.unique(rows, axis=0, return_inverse=True)
    found = np.zeros(len(distinct), np.int64)
    np.add.at(found, places.ravel(), counts)
    return distinct, found
