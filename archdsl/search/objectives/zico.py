"""`zico`: how large and how steady the gradients of the weights are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured, setting
from archdsl.search.objectives.prepare import finite, gradients, labels, ready, steady, weights


@dataclass(frozen=True, kw_only=True)
class Zico(Objective):
    """How large and how steady the gradients of the weights are from batch to batch, at the start.

    sum over layers of log (sum over the layer's weights of mean |g| / deviation of |g|), where g is the gradient of the mean
    cross-entropy of a batch with respect to the weight, and mean and deviation are over `batches` batches. Layers are
    convolutions and linear maps. A weight whose |g| does not change counts nothing, nor does a layer without others.

    Images are standard normal, at the spec's input, and each class is as likely as a label; the paper takes training images.
    Batch norms take the statistics of the batch.
    """

    name = "zico"
    direction = "maximize"
    unit = "natural logarithm, summed over layers"
    source = "Li et al., ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients, ICLR 2023 (arXiv:2301.11300)"
    cost = "`batches` forward and backward passes of `batch` images; memory for `batches` gradients"

    batch: int = setting(8, ge=2, doc="images of a batch")
    batches: int = setting(4, ge=2, doc="batches whose gradients are compared")

    def measure(self, candidate: Candidate, step: Step) -> float:
        model = ready(candidate)
        layers = list(weights(model).values())
        generator = candidate.generator("images")
        lengths: list[list[Tensor]] = [[] for _ in layers]
        with steady():
            for _ in range(self.batches):
                images, targets = candidate.images(self.batch, generator), labels(candidate, self.batch, generator)
                for kept, gradient in zip(lengths, gradients(model, images, targets, layers), strict=True):
                    if gradient is not None:
                        kept.append(gradient.abs_())
        found = [_steadiness(torch.stack(kept)) for kept in lengths if kept]
        counted = [math.log(value) for value in found if value]
        if not counted:
            raise Unmeasured("no gradient changes from batch to batch")
        return finite(math.fsum(counted), "the sum over the layers")


def _steadiness(lengths: Tensor) -> float:
    """The sum over a layer's weights of mean / deviation of |g|, [batches, *shape]."""
    lengths = lengths.double()
    deviation, mean = torch.std_mean(lengths, dim=0, correction=0)
    return finite((mean / deviation)[deviation > 0].sum().item(), "the gradient of a layer")
