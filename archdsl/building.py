"""The Python API that needs torch: make the module of a spec, count it both ways, load what `archdsl build` wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, overload, runtime_checkable

from archdsl import arguments
from archdsl.api import Spec, load, loads
from archdsl.arguments import ImageLike, PathLike, SizeLike
from archdsl.budget.compare import Comparison, compare
from archdsl.budget.fvcore_count import measure
from archdsl.checkpoints import keymap_of, wanted_of
from archdsl.ir.counts import closed_form
from archdsl.ir.fuse import fused
from archdsl.lowering import artifact
from archdsl.lowering.build import build_module
from archdsl.lowering.extractor import FeatureExtractor, chosen, extract
from archdsl.lowering.module import Backbone, lower
from archdsl.source.diagnostic import SpecError

if TYPE_CHECKING:
    from archdsl.lowering.checkpoint import Weights


@runtime_checkable
class Stateful(Protocol):
    """What has weights by name, such as a torch module."""

    def state_dict(self) -> Mapping[str, object]:
        """The weights."""


@dataclass(frozen=True, slots=True)
class Count:
    """Counts of a spec at its input, for one image: `flops` in closed form by fvcore's rules, `flops_fvcore` measured.

    `flops_unseen` are additions and multiplications that fvcore has no rule for; `comparison` has both sides, row by row.
    """

    params: int
    flops: int
    flops_fvcore: int
    flops_unseen: int
    comparison: Comparison = field(repr=False)

    def __repr__(self) -> str:
        told = f"params={self.params:_}, flops={self.flops:_}, flops_fvcore={self.flops_fvcore:_}"
        return f"Count({told}, flops_unseen={self.flops_unseen:_})"


@overload
def build(
    spec: Spec | PathLike,
    *,
    weights: Weights | Stateful | None = None,
    input: ImageLike | None = None,
    at: SizeLike | None = None,
    classes: int | None = None,
    set: Mapping[str, object] | None = None,
    seed: int = 0,
    features: None = None,
    resize: bool = False,
    fuse: bool = False,
    kernels: bool = True,
) -> Backbone: ...


@overload
def build(
    spec: Spec | PathLike,
    *,
    weights: Weights | Stateful | None = None,
    input: ImageLike | None = None,
    at: SizeLike | None = None,
    classes: int | None = None,
    set: Mapping[str, object] | None = None,
    seed: int = 0,
    features: Sequence[str],
    resize: bool = False,
    fuse: bool = False,
    kernels: bool = True,
) -> FeatureExtractor: ...


def build(
    spec: Spec | PathLike,
    *,
    weights: Weights | Stateful | None = None,
    input: ImageLike | None = None,
    at: SizeLike | None = None,
    classes: int | None = None,
    set: Mapping[str, object] | None = None,
    seed: int = 0,
    features: Sequence[str] | None = None,
    resize: bool = False,
    fuse: bool = False,
    kernels: bool = True,
) -> Backbone | FeatureExtractor:
    """The module of a spec: eager, in evaluation mode, float32, on the CPU.

    Parameters
    ----------
    spec: a path, `FILE:NAME`, `@name`, or a loaded spec.
    weights: a path (.pth, .pt, .safetensors), a state dict, or a module that has one, in the published layout or archdsl's
        own. For another number of classes or channels of the image than is asked for by `classes`, `input` or `set`, the last
        linear of the heads or the first convolution is left out, which a `WeightsWarning` tells.
    input: channels, height and width in pixels, in place of the spec's: `(3, 64, 64)` or `"3x64x64"`.
    at: height and width alone: `(64, 64)`, `"64x64"`, or `64` for a square.
    classes: number of classes, in place of the spec's.
    set: overrides by path, such as `{"s3.depth": 9}`.
    seed: of the initial weights, which follow the published initialisation; the same seed gives the same bits.
    features: names of stages whose maps the module returns in place of logits, for dense tasks.
    resize: position tables of weights for another size are resized as the papers do, which a `WeightsWarning` tells.
    fuse: the deploy form, in which components with branches have become those without. It takes weights of either form, and
        computes in evaluation what the other computes; `archdsl.fuse` makes one of a module that is trained here.
    kernels: on a GPU, components that have a kernel run it; False: their references, as on the CPU. `docs/kernels.md` has more.

    Returns
    -------
    A module that maps images [B, C, H, W] to logits [B, classes]; with `features` to a list of maps, in the order asked for.

    Raises
    ------
    SpecError: what is wrong with the spec, the overrides, or the weights.
    TypeError, ValueError: an argument is not what it takes, or the spec is a space.
    """
    overrides: dict[str, object] = {}
    if input is not None and at is not None:
        raise ValueError("`input` has height and width already: leave `at` away")
    if input is not None:
        overrides["input"] = arguments.image(input)
    if classes is not None:
        overrides["classes"] = arguments.whole(classes, "classes")
    overrides |= arguments.overrides(set) or {}
    seed = arguments.whole(seed, "seed")
    state = _state(weights)
    names = arguments.names(features, "features")
    found = _loaded(spec, overrides, at)
    if found.kind == "space":
        raise ValueError(f"`{found.name}` is a space; build one of its points: `build(space.arch(space.draw(seed)))`")
    if found.missed:
        raise SpecError(found.diagnostics)
    if names is not None:
        chosen(found.network, names)
    network = fused(found.network) if fuse else found.network
    wanted = wanted_of(found, resize=resize)
    module = build_module(network, weights=state, seed=seed, keymap=keymap_of(found), wanted=wanted, kernels=kernels)
    return module if names is None else extract(module, network, names)


def count(
    spec: Spec | PathLike, *, at: SizeLike | None = None, set: Mapping[str, object] | None = None, fuse: bool = False
) -> Count:
    """Count a spec in closed form, and beside it with fvcore on real tensors.

    Parameters
    ----------
    spec: a path, `FILE:NAME`, `@name`, or a loaded spec.
    at: height and width of the input in pixels, in place of the spec's: `(64, 64)`, `"64x64"`, or `64` for a square.
    set: overrides by path.
    fuse: count the deploy form.

    Raises
    ------
    SpecError: what is wrong with the spec or the overrides.
    """
    overrides = dict(arguments.overrides(set) or {})
    network = _loaded(spec, overrides, at).network
    network = fused(network) if fuse else network
    found = compare(closed_form(network), measure(lower(network), network))
    return Count(found.params.closed, found.flops.closed, found.flops.measured, sum(found.unseen.values()), found)


def load_build(folder: PathLike) -> Backbone:
    """The module of a folder that `archdsl build` wrote, with its weights, in evaluation mode.

    It runs kernels where it can, whatever the exported program holds, unless it was built without them.

    Raises
    ------
    SpecError: the folder holds no build, or its files were changed since.
    """
    return artifact.load_build(Path(arguments.path(folder, "folder")), lambda text: loads(text).network)


def _state(weights: Weights | Stateful | None) -> Weights | None:
    """Weights as they are read: of a module its state dict."""
    if weights is None or isinstance(weights, str | os.PathLike | Mapping):
        return weights
    if isinstance(weights, Stateful):
        return weights.state_dict()
    raise TypeError(f"`weights` takes a path, a state dict or a module, not {type(weights).__name__}")


def _loaded(spec: Spec | PathLike, set: Mapping[str, object], at: SizeLike | None = None) -> Spec:
    if not isinstance(spec, Spec):
        return load(spec, set=set, at=at)
    return spec.overridden(set=set, at=at) if set or at is not None else spec
