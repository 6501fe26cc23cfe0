"""`grad_norm`: how long the gradients of the weights are on one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured, setting
from archdsl.search.objectives.prepare import finite, gradients, labels, ready, steady, weights


@dataclass(frozen=True, kw_only=True)
class GradNorm(Objective):
    """How long the gradients of the weights are on one batch, at the start.

    The sum over all convolutions and linear maps of the Euclidean norm of the gradient of the mean cross-entropy with respect
    to their weight.

    Images are standard normal, at the spec's input, and each class is as likely as a label: no data are read. Batch norms take
    the statistics of the batch.
    """

    name = "grad_norm"
    direction = "maximize"
    unit = "cross-entropy by weight"
    source = "Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (arXiv:2101.08134)"
    cost = "one forward and one backward pass of `batch` images"

    batch: int = setting(8, ge=2, doc="images of the batch")

    def measure(self, candidate: Candidate, step: Step) -> float:
        model = ready(candidate)
        generator = candidate.generator("images")
        images, targets = candidate.images(self.batch, generator), labels(candidate, self.batch, generator)
        with steady():
            found = gradients(model, images, targets, list(weights(model).values()))
        lengths = [torch.linalg.vector_norm(gradient.double()) for gradient in found if gradient is not None]
        if not lengths:
            raise Unmeasured("the logits depend on no convolution and no linear map")
        return finite(torch.stack(lengths).sum().item(), "the length of the gradients")
