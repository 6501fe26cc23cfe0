"""Levels of the state_dict: modules that own named children and run a step over them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from archdsl.ir.reserved import is_reserved, other_name
from archdsl.lowering.names import escaped_name
from archdsl.lowering.plan import Plan
from archdsl.lowering.recompute import recomputed
from archdsl.lowering.steps import Identity, Step, Values, escaped
from archdsl.source.diagnostic import Diagnostic, SpecError

_NOTHING: Values = {}


class Level(nn.Module):
    """One level of names. Called with a batch of maps, and with the values of the network that its parts read by name."""

    def __init__(self, children: Mapping[str, nn.Module], step: Step | None = None) -> None:
        super().__init__()
        self.step = step or Identity()
        for name, child in children.items():
            # a torch that is newer than the list may have more attributes
            if is_reserved(name) or hasattr(self, name):
                raise SpecError([_reserved(name)])
            self._modules[name] = child

    def forward(self, x: Tensor, values: Values | None = None) -> Tensor:
        return self.step.run(self, x, _NOTHING if values is None else values)


class Block(Level):
    """A block of a stage.

    `drop_rate` is the probability with which its residual branches are dropped for an image. With `_recompute` nothing
    inside it is kept for the backward pass.
    """

    def __init__(self, children: Mapping[str, nn.Module], step: Step, drop_rate: float) -> None:
        super().__init__(children, step)
        self.drop_rate = drop_rate
        self._recompute = False

    def forward(self, x: Tensor, values: Values | None = None) -> Tensor:
        if self._recompute and self.training and torch.is_grad_enabled():
            # the values that are done with go from the dictionary long before the second pass reads them
            return recomputed(super().forward, self, x, None if values is None else dict(values))
        return super().forward(x, values)

    def extra_repr(self) -> str:
        return f"drop_rate={self.drop_rate:.4g}"


def run(root: nn.Module, plan: Plan, values: dict[str, Tensor]) -> None:
    """Compute the values of a plan with the levels below `root`; those that are done with go."""
    for step in plan.steps:
        level = root
        for name in step.path:
            level = level._modules[name]  # type: ignore[assignment]
        values[step.value] = level(values[step.given], values)
        for name in step.done:
            del values[name]


def set_recompute(module: nn.Module, enable: bool) -> None:
    """Switch gradient checkpointing of all blocks in a module."""
    for level in module.modules():
        if isinstance(level, Block):
            level._recompute = enable


def escape_level(level: Level) -> None:
    """Rename the children whose names are keywords of Python, as generated code needs it."""
    # no method: each one is a name that no part can have
    level._modules = {escaped_name(name): child for name, child in level._modules.items()}
    level.step = escaped(level.step)


def _reserved(name: str) -> Diagnostic:
    return Diagnostic(
        "reserved-label",
        f"`{name}` cannot name a part: every torch module has an attribute of that name",
        help=f"give the `let`, the stage or the head another name, such as `{other_name(name)}`",
    )
