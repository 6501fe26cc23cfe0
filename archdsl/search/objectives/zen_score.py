"""`zen_score`: how far the maps of a network move when its images do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from archdsl.lowering import steps
from archdsl.lowering.level import Level
from archdsl.lowering.module import Backbone
from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured, setting
from archdsl.search.objectives.prepare import finite, ready, steady
from archdsl.search.objectives.traced import first, plain, traced


@dataclass(frozen=True, kw_only=True)
class ZenScore(Objective):
    """How far the maps of a network without residual links move when its images do, at random weights.

    log mean |f(x + alpha e) - f(x)| + the sum over norms of log s, averaged over draws of the weights. x and e are standard
    normal images, f is the network up to what its heads read, |.| the Frobenius norm of an image's maps, and s^2 the mean of
    the variances that the norm divides by: what a norm takes away is put back, so that the score sees how much a network can
    bend, not how its scale is kept.

    All weights of convolutions and linear maps are standard normal, their biases 0; all else starts as the spec says, with
    norms and channel scales at 1. The residual links of blocks are cut, but for those that carry other tokens along, as class
    attention does. The paper knows batch norms alone; here layer and group norms count alike, wherever they stand before the
    heads, also inside a component. Both images of a pair go through in one batch, so that they meet the same statistics.
    Attention takes part as it is, and at weights of deviation 1 picks single positions.
    """

    name = "zen_score"
    direction = "maximize"
    unit = "natural logarithm"
    source = "Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition, ICCV 2021 (arXiv:2102.01063)"
    cost = "`repeats` forward passes of two times `batch` images"

    batch: int = setting(8, ge=2, doc="pairs of images")
    repeats: int = setting(2, ge=1, doc="draws of the weights and of the images")
    alpha: float = setting(0.01, gt=0, doc="how far the second image of a pair is from the first, in its deviations")

    @torch.no_grad()
    def measure(self, candidate: Candidate, step: Step) -> float:
        model = ready(candidate)
        cut_residuals(model)
        generator = candidate.generator("zen")
        with steady():
            return math.fsum(self._once(model, candidate, generator) for _ in range(self.repeats)) / self.repeats

    def _once(self, model: Backbone, candidate: Candidate, generator: torch.Generator) -> float:
        _draw(model, generator)
        x, e = (candidate.images(self.batch, generator) for _ in range(2))
        scales: list[Tensor] = []

        def look(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            if name in _VARIANCES:
                scales.append(_VARIANCES[name](plain(first(args, kwargs)), *args[1:], **kwargs))

        found = model.forward_features(traced(torch.cat([x, x + self.alpha * e]), look))
        maps = found.values() if isinstance(found, dict) else [found]
        y = torch.cat([plain(value).flatten(1) for value in maps], 1).double()
        moved = torch.linalg.vector_norm(y[self.batch :] - y[: self.batch], dim=1).mean().item()
        if not moved:
            raise Unmeasured("the maps do not depend on the image")
        put_back = math.fsum(0.5 * math.log(finite(scale.item(), "the variance before a norm")) for scale in scales)
        return math.log(finite(moved, "the difference of the maps")) + put_back


def cut_residuals(model: Backbone) -> None:
    """Leave of each residual line of a block its branch. Where the branch makes some of the tokens only, the others pass."""
    for level in model.modules():
        if isinstance(level, Level):
            level.step = _cut(level.step)


def _cut(step: steps.Step) -> steps.Step:
    if isinstance(step, steps.Chain):
        return steps.Chain(tuple(_cut(inner) for inner in step.steps))
    if isinstance(step, steps.Residual) and not isinstance(step, steps.ResidualTokens):
        return step.body
    return step


def _draw(model: nn.Module, generator: torch.Generator) -> None:
    """Standard normal weights of convolutions and linear maps, biases 0."""
    for module in model.modules():
        if isinstance(module, _ConvNd | nn.Linear):
            drawn = torch.randn(module.weight.shape, generator=generator, dtype=torch.float32, device="cpu")
            module.weight.copy_(drawn)
            if module.bias is not None:
                module.bias.zero_()


def _batch_norm(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    return _mean_variance(x.transpose(0, 1).flatten(1), eps)


def _layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    return _mean_variance(x.flatten(-len(shape)), eps)


def _group_norm(x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    return _mean_variance(x.reshape(x.shape[0], groups, -1), eps)


def _mean_variance(x: Tensor, eps: float) -> Tensor:
    """The mean of the variances along the last axis, as a norm divides by them."""
    return x.double().var(-1, correction=0).mean() + eps


# as the functions of torch are called
_VARIANCES: Mapping[str, Callable[..., Tensor]] = {
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
}
