"""What a computation reads of a point, found out by letting it run: each result is kept under the values it has read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Generic, TypeAlias, TypeVar

from archdsl.ir.evaluate import DomainKey
from archdsl.schema.units import FeatureMap

# a decision, or the name of a value whose map is read; `GRAPH` for the values that evaluation reaches
Key: TypeAlias = DomainKey | str
Answer: TypeAlias = int | Fraction | tuple[FeatureMap, ...] | frozenset[str]
GRAPH = "->"
Settled: TypeAlias = Mapping[Key, Answer]

T = TypeVar("T")


class Missing(Exception):
    """A map is read that was not made yet."""

    def __init__(self, key: Key) -> None:
        self.key = key
        super().__init__()


class Probe:
    """A point that is only partly settled. What is asked beyond that is as `chosen`, or else has its first value.

    `read` has all that was asked.
    """

    __slots__ = ("chosen", "first", "read", "settled")

    def __init__(self, settled: Settled, first: Settled, chosen: Settled | None = None) -> None:
        self.settled = settled
        self.first = first
        self.chosen = chosen or {}
        self.read: dict[Key, Answer] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self.settled or key in self.first

    def __getitem__(self, key: Key) -> Answer:
        answer = self.settled.get(key)
        if answer is None:
            answer = self.chosen.get(key)
        if answer is None:
            answer = self.first.get(key)
            if answer is None:
                raise Missing(key)
        self.read[key] = answer
        return answer


class _Listener:
    """Passes questions on, and remembers them in their order."""

    __slots__ = ("probe", "read")

    def __init__(self, probe: Source) -> None:
        self.probe = probe
        self.read: dict[Key, Answer] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self.probe

    def __getitem__(self, key: Key) -> Answer:
        answer = self.probe[key]
        self.read[key] = answer
        return answer


class Witness:
    """A probe of which only maps, what was read before, and what is named in `open` is read; all else is as in `stand_in`.

    What it computes must not depend on the rest, of which `guessed` has what was asked. That is not known here: whoever uses
    it compares afterwards.
    """

    __slots__ = ("guessed", "open", "probe", "stand_in")

    def __init__(self, probe: Source, open: frozenset[Key], stand_in: Settled) -> None:
        self.guessed: set[Key] = set()
        self.probe = probe
        self.open = open
        self.stand_in = stand_in

    def __contains__(self, key: Key) -> bool:
        return key in self.probe

    def __getitem__(self, key: Key) -> Answer:
        if key in self.open or isinstance(key, str) or key in self.probe.read:
            return self.probe[key]
        self.guessed.add(key)
        return self.stand_in[key]

    @property
    def read(self) -> dict[Key, Answer]:
        """What was read of the probe behind it."""
        return self.probe.read


Source: TypeAlias = Probe | _Listener | Witness


class _Branch(Generic[T]):
    """A question, and where each answer leads."""

    __slots__ = ("answers", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.answers: dict[Answer, _Branch[T] | _Leaf[T]] = {}


class _Leaf(Generic[T]):
    __slots__ = ("result",)

    def __init__(self, result: T) -> None:
        self.result = result


class Memo(Generic[T]):
    """The results of one computation, as a tree of what it reads: it runs once for each way through."""

    __slots__ = ("root",)

    def __init__(self) -> None:
        self.root: _Branch[T] | _Leaf[T] | None = None

    def __call__(self, probe: Source, work: Callable[[Source], T]) -> T:
        node = self.root
        while isinstance(node, _Branch):
            node = node.answers.get(probe[node.key])
        if node is None:
            listener = _Listener(probe)
            node = _Leaf(work(listener))
            self._insert(listener.read, node)
        return node.result

    def _insert(self, read: Settled, leaf: _Leaf[T]) -> None:
        if not read:
            self.root = leaf
            return
        keys = list(read)
        if not isinstance(self.root, _Branch):
            self.root = _Branch(keys[0])
        node = self.root
        for key, following in itertools.pairwise(keys):
            found = node.answers.get(read[key])
            if not isinstance(found, _Branch):
                found = node.answers[read[key]] = _Branch(following)
            node = found
        node.answers[read[keys[-1]]] = leaf


def ways(
    work: Callable[[Probe], T], settled: Settled, first: Settled, values: Mapping[Key, tuple[int | Fraction, ...]]
) -> Iterator[tuple[dict[Key, Answer], dict[Key, Answer], T]]:
    """Every way through a computation: what it read that was not settled, all that it read, and its result."""
    waiting: list[dict[Key, Answer]] = [{}]
    while waiting:
        chosen = waiting.pop()
        probe = Probe(settled, first, chosen)
        result = work(probe)
        free = {key: answer for key, answer in probe.read.items() if key not in settled}
        yield free, probe.read, result
        path = dict(chosen)
        for key, answer in free.items():
            if key in path:
                continue
            waiting.extend({**path, key: other} for other in reversed(values[key]) if other != answer)
            path[key] = answer
