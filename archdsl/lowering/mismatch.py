"""What a checkpoint and a module have different, told from the whole to the parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from torch import Tensor

from archdsl.lowering.keymap import Entry
from archdsl.lowering.likeness import Likeness
from archdsl.source.cells import safe_line
from archdsl.source.diagnostic import Diagnostic, Note

State = Mapping[str, Tensor]

_SHOWN = 10
_NUMBER = re.compile(r"\d+")
_BLOCK = re.compile(r"stages\.([^.]+)\.(\d+)\.")


# what a tensor depends on that may be otherwise in weights
Kind: TypeAlias = Literal["classes", "channels", "size"]


@dataclass(frozen=True, slots=True)
class Misfit:
    """Weights that do not fit a target, and where.

    `layout` is the one they were read in, as a reader calls it; `entries` has its tensors by name. `misshapen` are the names of
    tensors that have another shape, or are of another kind, each with what it depends on and how many of it there are in
    the weights and in the target, where that explains it. `counts` are own names of tensors of whole numbers.
    """

    target: str
    layout: str
    given: State
    entries: Mapping[str, Entry]
    missing: Sequence[str]
    unexpected: Sequence[str]
    misshapen: Mapping[str, tuple[Kind, object, object] | None]
    counts: frozenset[str] = frozenset()

    @property
    def explained(self) -> bool:
        """Whether everything that differs depends on something that may be otherwise in weights."""
        return not self.missing and not self.unexpected and None not in self.misshapen.values()


def mismatch(misfit: Misfit, whose: Likeness | None) -> Diagnostic:
    """The error of weights that do not fit; `whose` is the packaged spec that they are most like."""
    given, target = misfit.given, misfit.target
    own = {name: entry.own for name, entry in misfit.entries.items()}
    shapes = [f"{name} is {_shape(given[name])}, not {_wanted(misfit, name)}" for name in misfit.misshapen]
    groups = (("missing", misfit.missing), ("unexpected", misfit.unexpected), ("misshapen", shapes))
    known = len(given) - len(misfit.unexpected)
    notes = [Note(f"read in {misfit.layout}: {known} of the {len(given)} names fit")]
    notes += [Note(f"{len(listed)} {word}: {_listed(listed)}") for word, listed in groups if listed]
    help = "are they the weights of another arch, or of other settings of this one?"
    summary = _depths(given, own, misfit.unexpected)
    summary = summary or _width([(given[name], misfit.entries[name].own_shape) for name in misfit.misshapen])
    if misfit.explained:
        told = [_told(*kind) for kind in dict.fromkeys(misfit.misshapen.values()) if kind]
        summary, help = ("; ".join(texts) for texts in zip(*told, strict=True))
    elif whose is not None and whose.fuse and whose.spec == target and misfit.missing:
        # a fused target has none of the names that fusing takes away
        notes = [Note(summary), *notes] if summary else notes
        summary, help = str(whose), "with `--fuse` (in Python `fuse=True`) they are loaded into that form"
    elif whose is not None and whose.exact and whose.spec == target:
        summary = f"they fit `{target}` as it stands, without what was overridden" + (f"; {summary}" if summary else "")
    elif whose is not None and whose.spec != target:
        notes = [Note(summary), *notes] if summary else notes
        summary = str(whose)
        help = f"give the weights of `{target}`, or take `@{whose.spec}`" + " with `--fuse`" * whose.fuse
    elif not known:
        summary = "they share no name"
    message = f"the weights do not fit `{target}`" + (f": {summary}" if summary else "")
    return Diagnostic("weights-mismatch", message, notes=tuple(notes), help=help)


def _told(kind: Kind, there: object, here: object) -> tuple[str, str]:
    """What is otherwise, and what to do about it."""
    if kind == "size":
        return (
            f"their position table is for {there}, here it is for {here}",
            "`--resize` (in Python `resize=True`) resizes it as the paper does",
        )
    what = "images of {} channels" if kind == "channels" else "{} classes"
    option = f"`--classes {here}`" if kind == "classes" else "`--set input=...`"
    left = "the head" if kind == "classes" else "the first convolution"
    help = f"with {option} {left} is left out and the rest is loaded"
    if kind == "classes":
        help += f"; or build it for {there} classes, then call `reset_classifier({here})`"
    return f"they are for {what.format(there)}, the module is for {here}", help


def _depths(given: State, wanted: Mapping[str, str], unexpected: Sequence[str]) -> str:
    """Where stages have another number of blocks."""
    there: dict[str, set[int]] = {}
    here: dict[str, set[int]] = {}
    for name, key in wanted.items():
        if found := _BLOCK.match(key):
            here.setdefault(found[1], set()).add(int(found[2]))
            if name in given:
                there.setdefault(found[1], set()).add(int(found[2]))
    for stage, index in _blocks_beyond(wanted, unexpected):
        there.setdefault(stage, set()).add(index)
    differing = [
        f"the checkpoint has {len(there[stage])} block{'s' * (len(there[stage]) != 1)} in {stage}, the arch {len(blocks)}"
        for stage, blocks in here.items()
        if stage in there and len(there[stage]) != len(blocks)
    ]
    return "; ".join(differing[:_SHOWN])


def _blocks_beyond(wanted: Mapping[str, str], unexpected: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The blocks that unexpected names belong to: they differ from a wanted name in the number of the block alone."""
    places: dict[str, set[int]] = {}
    stages: dict[tuple[str, int, tuple[str, ...]], str] = {}
    for name, key in wanted.items():
        if found := _BLOCK.match(key):
            template, numbers = _numbers(name)
            here = {place for place, number in enumerate(numbers) if number == found[2]}
            # the number of the block stands where it is right in every name of this form
            places[template] = places.get(template, here) & here
            for place in here:
                stages[template, place, _without(numbers, place)] = found[1]
    for name in unexpected:
        template, numbers = _numbers(name)
        for place in places.get(template, ()):
            stage = stages.get((template, place, _without(numbers, place)))
            if stage is not None and len(numbers[place]) < 7:
                yield stage, int(numbers[place])


def _numbers(name: str) -> tuple[str, tuple[str, ...]]:
    """The form of a name, and the numbers in it."""
    return _NUMBER.sub("#", name), tuple(_NUMBER.findall(name))


def _without(numbers: tuple[str, ...], place: int) -> tuple[str, ...]:
    return numbers[:place] + numbers[place + 1 :]


def _width(pairs: list[tuple[Tensor, tuple[int, ...]]]) -> str:
    """One ratio between all shapes that differ."""
    sizes: set[tuple[int, int]] = set()
    for given, own in pairs:
        differing = {(a, b) for a, b in zip(given.shape, own, strict=False) if a != b}
        if given.dim() != len(own) or not differing:
            return ""
        sizes |= differing
    if len(pairs) < 2 or len({Fraction(a, b) for a, b in sizes if b}) != 1:
        return ""
    there, here = min(sizes)
    return f"every shape that differs is {there} there and {here} here, or in that ratio: another width?"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" ... {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(_short(name) for name in every[:_SHOWN]) + more


def _short(name: str) -> str:
    return safe_line(name if len(name) <= 100 else f"{name[:60]}...{name[-30:]}")


def _shape(tensor: Tensor) -> str:
    shape = _written(tensor.shape)
    return shape if tensor.is_floating_point() else f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"


def _wanted(misfit: Misfit, name: str) -> str:
    entry = misfit.entries[name]
    return _written(entry.own_shape) + " of int64" * (entry.own in misfit.counts)


def _written(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "one number"
