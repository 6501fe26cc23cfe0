"""The names of what a space may maximize or minimize: the built-in ones, and those of installed packages.

Nothing is imported for a name; measuring is the search's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from archdsl.schema import plugins

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "archdsl.objectives"
# each with what it is, in a sentence
OBJECTIVES: Mapping[str, str] = {
    "zen_score": "How far the maps of a network without residual links move when its images do, at random weights.",
    "zico": "How large and how steady the gradients of the weights are from batch to batch, at the start.",
    "naswot": "How differently a network activates for different images, at the start.",
    "synflow": "How much of the flow through a network goes through its weights, on one image of ones.",
    "grad_norm": "How long the gradients of the weights are on one batch, at the start.",
    "latency": "The time of a forward pass on the device.",
    "memory": "The most memory of the device that a forward pass or a step of training takes at once.",
    "accuracy": "The share of validation images that the network classifies rightly after a short training.",
    "params": "All parameters, in closed form.",
    "flops": "The operations of one image at the spec's input, in closed form.",
}


def is_objective(name: str) -> bool:
    """Whether there is an objective of that name; installed packages are asked only where it is not built in."""
    return name in OBJECTIVES or name in brought()[0]


def objectives() -> tuple[str, ...]:
    """All names: the built-in ones, then those of installed packages."""
    return (*OBJECTIVES, *sorted(brought()[0]))


@cache
def brought() -> tuple[Mapping[str, EntryPoint], tuple[plugins.Clash, ...]]:
    """The objectives of installed packages by name, and those that are ignored because their name is taken."""
    return plugins.find(GROUP, OBJECTIVES)
