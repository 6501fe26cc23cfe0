"""Which implementation of its components a backbone runs, and why: the choice, made and read for all of it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch
from torch import nn

from archdsl.ir.network import Network, network_leaves
from archdsl.kernels.choice import Kernelled, Use, why_reference
from archdsl.lowering.fault import broken, components, quoted
from archdsl.schema.component import Component, instantiate
from archdsl.schema.units import FeatureMap

Implementation = Literal["kernel", "reference"]
NO_KERNEL = "no kernel yet"


@dataclass(frozen=True, slots=True)
class Site:
    """A component in its place, together with those like it in the blocks beside.

    `path` is its name in the state_dict, with the numbers of several blocks as `stages.s3.0-7.token`; `count` is how many there
    are. `reason` is why the reference runs, None where the kernel does. `kernelled`: whether the component has a kernel at all.
    """

    path: str
    component: str
    implementation: Implementation
    reason: str | None
    count: int
    kernelled: bool


def choose(module: nn.Module, use: Use) -> None:
    """Set what all components of a module run."""
    for part in module.modules():
        if isinstance(part, Kernelled):
            part.use = use


def sites(module: nn.Module, kind: str, dtype: torch.dtype = torch.float32) -> tuple[Site, ...]:
    """What each component of a built module runs on devices of a kind, `cpu` or `cuda`, in a number format.

    Of CUDA it is the GPU that is there; where there is none, one that the kernels take.
    """
    return _together(components(module), kind, dtype)


def sites_of(network: Network, kind: str, dtype: torch.dtype = torch.float32, *, use: Use = Use.BY_DEVICE) -> tuple[Site, ...]:
    """As `sites`, of the module that a network would be lowered to. No weights are made.

    Raises
    ------
    SpecError: `broken-plugin`, a component whose module cannot be made.
    """
    made: dict[tuple[Component, FeatureMap], Kernelled | None] = {}

    def parts() -> Iterator[tuple[str, str, nn.Module | None]]:
        for path, placed in network_leaves(network):
            key = (placed.leaf, placed.x)
            name = placed.leaf.schema.name
            if key not in made:
                try:
                    made[key] = _without_weights(*key, use)
                except Exception as error:
                    raise broken(name, path, quoted(error)) from error
            yield path, name, made[key]

    return _together(parts(), kind, dtype)


def takes_kernel(network: Network) -> bool:
    """Whether a kernel takes any component of a network, on a device that has kernels."""
    return any(site.implementation == "kernel" for site in sites_of(network, "cpu", use=Use.OPERATOR))


def _without_weights(spec: Component, x: FeatureMap, use: Use) -> Kernelled | None:
    """The module of a component that has a kernel, with weights that take no room; None for one that has none."""
    path, _, name = spec.schema.module.partition(":")
    if not issubclass(getattr(importlib.import_module(path), name), Kernelled):
        return None
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        module: Kernelled = instantiate(spec, x)
    module.use = use
    return module


def _together(parts: Iterable[tuple[str, str, nn.Module | None]], kind: str, dtype: torch.dtype) -> tuple[Site, ...]:
    """The sites of parts, those that differ in the number of their block alone as one."""
    device = torch.device(kind)
    alike: dict[tuple[str, str, str, str | None, bool], list[int]] = {}
    for path, component, module in parts:
        kernelled = isinstance(module, Kernelled)
        reason = why_reference(module, device, dtype) if kernelled else NO_KERNEL
        before, number, after = _block_of(path)
        alike.setdefault((before, after, component, reason, kernelled), []).append(number)
    return tuple(
        Site(
            before + _numbers(numbers) + after,
            component,
            "kernel" if reason is None else "reference",
            reason,
            len(numbers),
            kernelled,
        )
        for (before, after, component, reason, kernelled), numbers in alike.items()
    )


def _block_of(path: str) -> tuple[str, int, str]:
    """What is before the number of a block in a path, the number, and what is after it; -1 where it is in no block."""
    top, _, rest = path.partition(".")
    stage, _, rest = rest.partition(".")
    number, dot, after = rest.partition(".")
    if top == "stages" and number.isdecimal():
        return f"{top}.{stage}.", int(number), dot + after
    return path, -1, ""


def _numbers(numbers: list[int]) -> str:
    """Ascending numbers, such as `0-3,5`."""
    if numbers == [-1]:
        return ""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
