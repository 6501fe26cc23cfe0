"""What a checkpoint and a module have different, told from the whole to the parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from torch import Tensor

from archdsl.lowering.keymap import COUNTER, Entry
from archdsl.lowering.module import Backbone
from archdsl.source.diagnostic import Diagnostic, Note

State = Mapping[str, Tensor]

_SHOWN = 10
_NUMBER = re.compile(r"\d+")
_BLOCK = re.compile(r"stages\.([^.]+)\.(\d+)\.")


def mismatch(
    module: Backbone, layout: str, given: State, entries: Mapping[str, Entry], parts: State, misshapen: list[str]
) -> Diagnostic:
    """The error of weights that do not fit.

    Parameters
    ----------
    layout: the layout they were read in, as a reader calls it.
    entries: the tensors of that layout by their names in it.
    parts: what they are read into, likewise.
    misshapen: the names of tensors that have another shape, or are of another kind.
    """
    wanted = {name: entry.own for name, entry in entries.items()}
    missing = [name for name in wanted if name not in given and name.rpartition(".")[2] != COUNTER]
    unexpected = [name for name in given if name not in wanted]
    shapes = [f"{name} is {_shape(given[name])}, not {_shape(parts[name])}" for name in misshapen]
    groups = (("missing", missing), ("unexpected", unexpected), ("misshapen", shapes))
    known = len(given) - len(unexpected)
    notes = [Note(f"read in {layout}: {known} of the {len(given)} names fit")]
    notes += [Note(f"{len(listed)} {word}: {_listed(listed)}") for word, listed in groups if listed]
    help = "are they the weights of another arch, or of other settings of this one?"
    pairs = [(given[name], parts[name]) for name in misshapen]
    summary = _depths(given, wanted, unexpected) or _width(pairs)
    classifier = {f"{'.'.join(path)}.{part}" for path in module.classifiers for part in ("weight", "bias")}
    if misshapen and {wanted[name] for name in misshapen} <= classifier and not missing and not unexpected:
        classes = pairs[0][0].shape[0]
        summary = f"they are for {classes} classes, the module is for {module.num_classes}"
        help = f"build it for {classes} classes, then call `reset_classifier({module.num_classes})`"
    elif not known:
        summary = "they share no name"
    message = f"the weights do not fit `{module.name}`" + (f": {summary}" if summary else "")
    return Diagnostic("weights-mismatch", message, notes=tuple(notes), help=help)


def _depths(given: State, wanted: Mapping[str, str], unexpected: list[str]) -> str:
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


def _blocks_beyond(wanted: Mapping[str, str], unexpected: list[str]) -> Iterator[tuple[str, int]]:
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


def _width(pairs: list[tuple[Tensor, Tensor]]) -> str:
    """One ratio between all shapes that differ."""
    sizes: set[tuple[int, int]] = set()
    for given, own in pairs:
        differing = {(a, b) for a, b in zip(given.shape, own.shape, strict=False) if a != b}
        if given.dim() != own.dim() or not differing:
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
    return name if len(name) <= 100 else f"{name[:60]}...{name[-30:]}"


def _shape(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "one number"
    return shape if tensor.is_floating_point() else f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"
