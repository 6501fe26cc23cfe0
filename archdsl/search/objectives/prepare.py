"""What the scores of untrained networks share: how a module is made ready, its weights, and one gradient of its loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from archdsl.components.map.affine.module import Affine
from archdsl.components.map.layer_scale.module import LayerScale
from archdsl.lowering.module import Backbone
from archdsl.search.objectives.objective import Candidate, Unmeasured

_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def ready(candidate: Candidate) -> Backbone:
    """The module of a candidate as the scores read it.

    Batch norms take the statistics of the batch. All norms have weight 1 and bias 0, and what scales a channel (`layer_scale`,
    `affine`) has the factor 1: networks that start with their branches switched off would otherwise show their stem alone.
    Drop path and dropout are off.
    """
    model = candidate.model()
    for module in model.modules():
        if isinstance(module, _NORMS):
            module.reset_parameters()
        if isinstance(module, _BatchNorm):
            module.train()
        if isinstance(module, LayerScale | Affine):
            nn.init.ones_(module.weight)
        if isinstance(module, Affine):
            nn.init.zeros_(module.bias)
    return model


def weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of all convolutions and linear maps by their names in the state_dict; what is shared stands once."""
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for name, module in model.named_modules():
        if isinstance(module, _ConvNd | nn.Linear):
            found.setdefault(id(module.weight), (f"{name}.weight", module.weight))
    return dict(found.values())


def gradients(model: Backbone, images: Tensor, labels: Tensor, of: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients of the mean cross-entropy of a batch; None for what the logits do not depend on."""
    with torch.enable_grad():
        loss = F.cross_entropy(model(images), labels)
        if not of or not loss.requires_grad:
            return [None] * len(of)
        return list(torch.autograd.grad(loss, of, allow_unused=True))


def labels(candidate: Candidate, batch: int, generator: torch.Generator) -> Tensor:
    """Classes [batch], each as likely."""
    classes = candidate.spec.network.logits.y.channels
    return torch.randint(classes, (batch,), generator=generator, device="cpu").to(candidate.device)


def finite(value: float, what: str) -> float:
    """A value, if it is a number.

    Raises
    ------
    Unmeasured: it is infinite, or none.
    """
    if math.isfinite(value):
        return value
    raise Unmeasured(f"{what} is {value}")


@contextmanager
def steady() -> Iterator[None]:
    """Convolutions of an accelerator by algorithms that give the same bits again, in full float32."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
