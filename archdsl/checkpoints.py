"""Weights of specs: the key map of one, what may be otherwise in weights for it, and the layouts of all packaged ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from archdsl.api import Spec, load
from archdsl.ir.fuse import fused
from archdsl.ir.library import packaged_names, packaged_specs
from archdsl.ir.model import Model
from archdsl.ir.network import Network, buffers, weights
from archdsl.lang import ast
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
    """How weights are read for a spec: where it was overridden by name, they may be for other classes and channels.

    So may they be where it extends another spec, and writes its own.
    """
    written = {what: spec.model.place.attributes.get(name) for what, name in _ATTRIBUTES.items()}
    other = [
        what
        for what, attribute in written.items()
        if attribute and (_is_overridden(attribute.name) or _is_amended(attribute.name.span, spec.model))
    ]
    return Wanted(other, resize, partial(_known, spec), warn)


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
                yield from _layouts(name, network, keymaps[path] if path else None)
        except SpecError:
            # what is wrong with another spec is told where that one is used
            continue


def _known(spec: Spec) -> Iterator[Known]:
    """The packaged layouts, and before them those of the deploy form of this spec, which may be no packaged one."""
    deployed = fused(spec.network)
    if deployed is not spec.network:
        path = keymap_of(spec)
        with suppress(SpecError):
            yield from _layouts(spec.name, deployed, read_keymap(path) if path else None)
    yield from packaged_layouts(spec.name)


def _layouts(name: str, network: Network, keymap: KeyMap | None) -> Iterator[Known]:
    own, fuse = {**weights(network), **buffers(network)}, network.training_form is not None
    yield Known(name, "own", own, fuse)
    if keymap is not None:
        yield Known(name, "official", {entry.official: entry.shape for entry in keymap.entries(own)}, fuse)


def _is_overridden(name: ast.Ident) -> bool:
    # `--at` changes the size of the input alone
    return name.span.source.name == f"--set {name.id}"


def _is_amended(span: Span, model: Model) -> bool:
    """Whether what stands here is written by an arch over the one that all others of its line extend."""
    if len(model.lineage) < 2 or span.source not in model.files:
        return False
    roots = [item.span for file in model.files.values() for item in file.models() if item.name.id == model.lineage[-1]]
    return bool(roots) and not any(root.source is span.source and root.start <= span.start < root.end for root in roots)
