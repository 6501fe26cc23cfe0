"""`naswot`: how differently a network activates for different images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured, setting
from archdsl.search.objectives.prepare import finite, ready, steady
from archdsl.search.objectives.traced import ACTIVATIONS, first, plain, traced

# sums of ones in float32 are exact up to this many
_EXACT = 2**24


@dataclass(frozen=True, kw_only=True)
class Naswot(Objective):
    """How differently a network activates for different images, at the start.

    For each image, what goes into an activation is positive (1) or not (0), at each element: together the code of the image.
    K[i, j] is the number of elements in which the codes of images i and j agree, and the score is log |det K|: high where no
    two images are coded alike.

    The paper counts ReLUs. Here all activations that bend at or near zero count: relu, gelu, silu, elu and their kin, wherever
    they stand, as long as what they take depends on the image. Softmax and the sigmoids of gates bend nowhere, and do not
    count. Images are standard normal, at the spec's input; batch norms take the statistics of the batch.
    """

    name = "naswot"
    direction = "maximize"
    unit = "natural logarithm"
    source = "Mellor et al., Neural Architecture Search without Training, ICML 2021 (arXiv:2006.04647)"
    cost = "one forward pass of `batch` images"

    batch: int = setting(32, ge=2, doc="images whose codes are compared")

    @torch.no_grad()
    def measure(self, candidate: Candidate, step: Step) -> float:
        model = ready(candidate)
        agreed = torch.zeros(self.batch, self.batch, dtype=torch.float64, device=candidate.device)

        def count(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            if name in ACTIVATIONS:
                agreed.add_(_agreed(plain(first(args, kwargs)), self.batch))

        with steady():
            model(traced(candidate.images(self.batch), count))
        if not agreed.any():
            raise Unmeasured("the network has no activation that bends at zero")
        sign, value = torch.linalg.slogdet(agreed)
        if sign <= 0:
            raise Unmeasured("two images have the same code: the determinant is 0")
        return finite(value.item(), "the logarithm of the determinant")


def _agreed(x: Tensor, batch: int) -> Tensor:
    """In how many elements the codes of the images agree, [batch, batch]."""
    # codes of 1 and -1: their product is the number of agreements less that of differences
    codes = x.reshape(batch, -1).gt(0).float().mul_(2).sub_(1)
    products = torch.zeros(batch, batch, dtype=torch.float64, device=x.device)
    for part in codes.split(_EXACT, 1):
        products += part.matmul(part.t())
    return (products + codes.shape[1]) / 2
