"""Weights in whichever layout they are, read as the tensors of a state_dict. Nothing is changed until all of them fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from archdsl.ir.network import Network, buffers, weights
from archdsl.lowering.axes import same_order
from archdsl.lowering.checkpoint import Weights, read_weights, refuse_not_finite, warn_of_weights
from archdsl.lowering.keymap import COUNTER, Entry, KeyMap
from archdsl.lowering.likeness import Known, likeness
from archdsl.lowering.mismatch import Kind, Misfit, mismatch
from archdsl.lowering.module import Backbone
from archdsl.lowering.places import Places
from archdsl.lowering.resize import given_size, resize
from archdsl.schema.units import Size
from archdsl.source.diagnostic import SpecError

Layout: TypeAlias = Literal["own", "official"]
State: TypeAlias = Mapping[str, Tensor]
# what the caller wants otherwise than the weights have it
Other: TypeAlias = Literal["classes", "channels"]


@dataclass(frozen=True, slots=True)
class Target:
    """What weights are read for: tensors by name and shape, `counts` those of whole numbers."""

    name: str
    classes: int
    channels: int
    shapes: Mapping[str, tuple[int, ...]]
    counts: frozenset[str]
    places: Places

    @classmethod
    def of_module(cls, module: Backbone) -> Target:
        """The tensors of a module."""
        state = module.state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
        counts = frozenset(key for key, tensor in state.items() if not tensor.is_floating_point())
        return cls(module.name, module.num_classes, module.image.channels, shapes, counts, module.places)

    @classmethod
    def of_network(cls, network: Network) -> Target:
        """The tensors of the module that would be made of a network."""
        shapes = {**weights(network), **buffers(network)}
        counts = frozenset(key for key in shapes if _is_counter(key))
        return cls(network.name, network.classes, network.image.channels, shapes, counts, Places.of(network))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants of a reading.

    other: what may be otherwise in the weights. The components that depend on it are left out then, which is told.
    resize: tensors with an entry for each position are resized where the weights are for another size.
    known: the packaged specs, to tell whose weights are given where they do not fit; asked then only.
    warn: told of other weights in the checkpoint, of what is left out and of what is resized; a `WeightsWarning` by default.
    """

    other: Collection[Other] = ()
    resize: bool = False
    known: Callable[[], Iterable[Known]] = tuple
    warn: Callable[[str], None] = warn_of_weights


@dataclass(frozen=True, slots=True)
class Reading:
    """Weights by their own names, in the layout they were found in; without those of components that were left out."""

    layout: Layout
    tensors: dict[str, Tensor]


def read(weights: Weights, target: Target, keymap: KeyMap | None, wanted: Wanted) -> Reading:
    """Read weights for a target.

    Raises
    ------
    SpecError: `unreadable-file`, `unreadable-weights`, `out-of-memory`, `weights-mismatch`, or what a key map has wrong with
        it.
    """
    given = read_weights(weights, warn=wanted.warn)
    layout, entries = _layout(given, target, keymap)
    if layout == "official" and keymap is not None:
        given = {name: given[name] for name in keymap.without_ignored(given)}
    by_name = {entry.official: entry for entry in entries}
    missing = [name for name in by_name if name not in given and not _is_counter(name)]
    unexpected = [name for name in given if name not in by_name]
    misshapen = {
        name: _kind(given[name], entry, target, layout)
        for name, entry in by_name.items()
        if name in given and not _fits(given[name], entry, target, layout)
    }
    left = _left_out(given, misshapen, by_name, target, wanted.other)
    resized = [name for name, kind in misshapen.items() if kind and kind[0] == "size" and wanted.resize]
    rest = {name: kind for name, kind in misshapen.items() if name not in left and name not in resized}
    if missing or unexpected or rest:
        told = {
            "own": "archdsl's own layout, "
            + ("as no key map is known for this arch" if keymap is None else "which has more of its names than the key map"),
            "official": "the official layout, as the key map has more of its names than the state_dict",
        }
        misfit = Misfit(target.name, told[layout], given, by_name, missing, unexpected, rest, target.counts)
        # to look at all packaged specs takes a while, and is not needed where the misfit is explained
        known = () if misfit.explained else wanted.known()
        raise SpecError([mismatch(misfit, likeness({name: tensor.shape for name, tensor in given.items()}, known))])
    refuse_not_finite(given)
    for name in resized:
        given[name] = _resized(given[name], by_name[name], target, layout, wanted.warn)
    _tell_left_out(left, wanted.warn)
    return Reading(layout, _own(given, [entry for entry in entries if entry.official not in left]))


def layout_of(given: State, target: Target, keymap: KeyMap | None) -> Layout:
    """The layout whose names most of the given ones are.

    Raises
    ------
    SpecError: what a key map has wrong with it.
    """
    return _layout(given, target, keymap)[0]


def _own_entries(shapes: Mapping[str, tuple[int, ...]]) -> list[Entry]:
    """The entries of the own layout."""
    return [Entry(key, key, None, shape, shape) for key, shape in shapes.items()]


def _layout(given: State, target: Target, keymap: KeyMap | None) -> tuple[Layout, list[Entry]]:
    """The layout whose names most of the given ones are, and its tensors."""
    own = _own_entries(target.shapes)
    ours = sum(key in target.shapes for key in given)
    if keymap is None or ours == len(own):
        return "own", own
    try:
        official = keymap.entries(target.shapes)
    except SpecError:
        # a key map that does not fit this arch does not matter to weights in the own layout
        if ours:
            return "own", own
        raise
    theirs = {entry.official for entry in official}
    return ("official", official) if sum(key in theirs for key in given) >= ours else ("own", own)


def _fits(given: Tensor, entry: Entry, target: Target, layout: Layout) -> bool:
    shape = tuple(given.shape)
    same = shape == entry.own_shape or (layout == "official" and same_order(shape, entry.own_shape))
    # as many positions on one axis may be those of another grid
    size = _size(given, entry, target, layout) if same and layout == "official" else None
    same = same and (size is None or size == target.places.grids[entry.own].size)
    return same and given.is_floating_point() == (entry.own not in target.counts)


def _size(given: Tensor, entry: Entry, target: Target, layout: Layout) -> Size | None:
    """The grid that a tensor is for; None where it has none, or differs in more than the grid."""
    grid = target.places.grids.get(entry.own)
    if grid is None or entry.piece:
        return None
    return given_size(given.shape, entry.own_shape, grid, published=layout == "official")


def _kind(given: Tensor, entry: Entry, target: Target, layout: Layout) -> tuple[Kind, object, object] | None:
    """What a tensor that does not fit has otherwise: what it depends on, how many in the weights, how many in the target."""
    if given.is_floating_point() == (entry.own in target.counts):
        return None
    if size := _size(given, entry, target, layout):
        return "size", size, target.places.grids[entry.own].size
    components: tuple[tuple[Kind, Collection[str], int], ...] = (
        ("classes", target.places.classifiers, target.classes),
        ("channels", target.places.entrances, target.channels),
    )
    for kind, names, here in components:
        if _component(entry, names) and (there := _other_length(given.shape, entry.own_shape, here)):
            return kind, there, here
    return None


def _other_length(given: Sequence[int], own: Sequence[int], here: int) -> int | None:
    """How long an axis is in the weights that is `here` long in the target, where that alone makes the shape another one."""
    there, rest = divmod(prod(given) * here, prod(own))
    axes = [axis for axis, length in enumerate(own) if length == here]
    fits = not rest and any(same_order(given, (*own[:axis], there, *own[axis + 1 :])) for axis in axes)
    return there if fits else None


def _left_out(
    given: State,
    misshapen: Mapping[str, tuple[Kind, object, object] | None],
    entries: Mapping[str, Entry],
    target: Target,
    other: Collection[Other],
) -> dict[str, tuple[Kind, object, object]]:
    """The tensors of components that do not fit because of what is wanted otherwise; told with what that is."""
    components = target.places.classifiers | target.places.entrances
    otherwise: dict[str, tuple[Kind, object, object]] = {}
    for name, kind in misshapen.items():
        if kind and kind[0] in other and (component := _component(entries[name], components)):
            otherwise.setdefault(component, kind)
    found = ((name, _component(entry, otherwise)) for name, entry in entries.items() if name in given)
    return {name: otherwise[component] for name, component in found if component}


def _component(entry: Entry, components: Collection[str]) -> str | None:
    """The one of some components that a tensor is of."""
    name = entry.own
    while name := name.rpartition(".")[0]:
        if name in components:
            return name
    return None


def _resized(given: Tensor, entry: Entry, target: Target, layout: Layout, warn: Callable[[str], None]) -> Tensor:
    grid, size = target.places.grids[entry.own], _size(given, entry, target, layout)
    assert size is not None
    warn(f"`{entry.official}` is resized from {size} to {grid.size}, {grid.by}")
    return resize(given, size, entry.own_shape, grid)


def _tell_left_out(left: Mapping[str, tuple[Kind, object, object]], warn: Callable[[str], None]) -> None:
    for kind, there, here in dict.fromkeys(left.values()):
        listed = ", ".join(f"`{name}`" for name, why in left.items() if why == (kind, there, here))
        warn(f"left out: {listed}; the weights are for {there} {kind}, not {here}, and initial values take their place")


def _own(given: State, entries: Iterable[Entry]) -> dict[str, Tensor]:
    """The tensors by their own names, in their own shapes."""
    pieces: dict[str, list[tuple[int, Tensor]]] = {}
    for entry in entries:
        tensor = given.get(entry.official)
        # a counter of batches, which old and converted checkpoints do not have
        tensor = torch.zeros(entry.own_shape, dtype=torch.int64) if tensor is None else tensor
        pieces.setdefault(entry.own, []).append((entry.piece.index if entry.piece else 0, tensor.reshape(entry.own_shape)))
    return {key: _whole([tensor for _, tensor in sorted(parts, key=lambda part: part[0])]) for key, parts in pieces.items()}


def _whole(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == COUNTER
