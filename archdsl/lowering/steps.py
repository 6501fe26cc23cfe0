"""What runs over a level of modules: small immutable steps that call the children of the level by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.lowering.names import escaped_name

Values = Mapping[str, Tensor]


class Step:
    """A piece of a forward pass. Base of all steps."""

    __slots__ = ()

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        """Compute on `x`, a batch of maps; `level` owns the modules, `values` has the network's values by name."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Identity(Step):
    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return x


@dataclass(frozen=True, slots=True)
class Call(Step):
    """Run a component."""

    child: str

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return level._modules[self.child](x)


@dataclass(frozen=True, slots=True)
class Enter(Step):
    """Run a level below this one."""

    child: str

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return level._modules[self.child](x, values)


@dataclass(frozen=True, slots=True)
class Within(Step):
    """Run a step over the children of a level below this one."""

    child: str
    step: Step

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return self.step.run(level._modules[self.child], x, values)


@dataclass(frozen=True, slots=True)
class Chain(Step):
    steps: tuple[Step, ...]

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        for step in self.steps:
            x = step.run(level, x, values)
        return x


@dataclass(frozen=True, slots=True)
class Sum(Step):
    scales: tuple[float, ...]
    steps: tuple[Step, ...]

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        total: Tensor | None = None
        for scale, step in zip(self.scales, self.steps, strict=True):
            y = step.run(level, x, values)
            if scale != 1:
                y = scale * y
            total = y if total is None else total + y
        assert total is not None
        return total


@dataclass(frozen=True, slots=True)
class Split(Step):
    """Each step gets its group of channels. `sizes` are the channels of the groups."""

    sizes: tuple[int, ...]
    steps: tuple[Step, ...]

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        groups = torch.split(x, list(self.sizes), dim=1)
        return torch.cat([step.run(level, group, values) for step, group in zip(self.steps, groups, strict=True)], dim=1)


@dataclass(frozen=True, slots=True)
class Concat(Step):
    steps: tuple[Step, ...]

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return torch.cat([step.run(level, x, values) for step in self.steps], dim=1)


@dataclass(frozen=True, slots=True)
class Read(Step):
    value: str

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return values[self.value]


@dataclass(frozen=True, slots=True)
class Resize(Step):
    """Bilinear interpolation to the size of a value; the centres of the corners do not meet."""

    value: str

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return F.interpolate(x, size=values[self.value].shape[2:], mode="bilinear", align_corners=False)


@dataclass(frozen=True, slots=True)
class DropPath(Step):
    """A drop path that a layout writes out."""

    rate: float

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        return drop_path(x, self.rate) if level.training else x


@dataclass(frozen=True, slots=True)
class Residual(Step):
    """`skip(x) + drop_path(body(x))`, at the drop rate of the block that is the level."""

    body: Step
    skip: Step

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        y = self.branch(level, x, values)
        return self.skip.run(level, x, values) + y

    def branch(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        """What the body makes, dropped as the block says."""
        y = self.body.run(level, x, values)
        return drop_path(y, level.drop_rate) if level.training else y  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ResidualTokens(Residual):
    """A `Residual` whose branch updates the tokens from `start` to `end`; the others pass."""

    start: int
    end: int

    def run(self, level: nn.Module, x: Tensor, values: Values) -> Tensor:
        y = self.branch(level, x, values)
        kept = self.skip.run(level, x, values)
        # one token comes as a vector [B, C], the grid as a map [B, C, H, W]
        y = y[..., None] if y.dim() == 2 else y.flatten(2)
        some = kept[..., self.start : self.end] + y
        return torch.cat([kept[..., : self.start], some, kept[..., self.end :]], dim=-1)


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Set each image of a batch to zero with probability `rate`, and scale the others by 1 / (1 - rate)."""
    if rate <= 0:
        return x
    if rate >= 1:
        return torch.zeros_like(x)
    keep = 1 - rate
    kept = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < keep
    return x * (kept.to(x.dtype) / keep)


S = TypeVar("S", bound=Step)


def escaped(step: S) -> S:
    """The same step over children called by their `escaped_name`."""
    changed: dict[str, object] = {}
    for entry in fields(step):  # type: ignore[arg-type]
        value = getattr(step, entry.name)
        if entry.name == "child":
            changed["child"] = escaped_name(value)
        elif isinstance(value, Step):
            changed[entry.name] = escaped(value)
        elif entry.name == "steps":
            changed["steps"] = tuple(escaped(inner) for inner in value)
    return replace(step, **changed) if changed else step  # type: ignore[type-var]
