"""Weights of specs: the key map of one, what may be otherwise in weights for it, and the layouts of all packaged ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from archdsl.api import Spec, load
from archdsl.ir.fuse import fused
from archdsl.ir.library import packaged_names, packaged_specs
from archdsl.ir.network import buffers, weights
from archdsl.lowering.checkpoint import warn_of_weights
from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.likeness import Known
from archdsl.lowering.reading import Other, Wanted
from archdsl.source.diagnostic import SpecError
from archdsl.source.text import Span

_ATTRIBUTES: dict[Other, str] = {"classes": "classes", "channels": "input"}


def keymap_of(spec: Spec) -> Path | None:
    """The key map of a spec's published layout: its own, or that of the nearest base that has one."""
    folders = [spec.path.parent] if spec.path else []
    for name in spec.model.lineage:
        for folder in (*folders, packaged_specs()):
            path = folder / f"{name}.keys.yaml"
            if path.is_file():
                return path
    return None


def wanted_of(spec: Spec, *, resize: bool = False, warn: Callable[[str], None] = warn_of_weights) -> Wanted:
    """How weights are read for a spec: where it was overridden by name, they may be for other classes and channels."""
    attributes = spec.model.place.attributes
    other = [
        what for what, name in _ATTRIBUTES.items() if name in attributes and _is_overridden(attributes[name].name.span, name)
    ]
    return Wanted(other, resize, partial(packaged_layouts, spec.name), warn)


def packaged_layouts(first: str = "") -> Iterator[Known]:
    """The tensors of every packaged spec, in archdsl's own layout and in the published one where it has a key map.

    Those of the deploy form come after, where it is another. The spec `first` comes before the others, if it is one of them.
    """
    keymaps: dict[Path, KeyMap] = {}
    for name in sorted(packaged_names(), key=lambda name: name != first):
        try:
            spec = load(f"@{name}")
            path = keymap_of(spec)
            if path is not None and path not in keymaps:
                keymaps[path] = read_keymap(path)
            deployed = fused(spec.network)
            for network in [spec.network, deployed] if deployed is not spec.network else [deployed]:
                own, fuse = {**weights(network), **buffers(network)}, network.training_form is not None
                yield Known(name, "own", own, fuse)
                if path is not None:
                    entries = keymaps[path].entries(own)
                    yield Known(name, "official", {entry.official: entry.shape for entry in entries}, fuse)
        except SpecError:
            # what is wrong with another spec is told where that one is used
            continue


def _is_overridden(span: Span, name: str) -> bool:
    # `--at` changes the size of the input alone
    return span.source.name == f"--set {name}"
