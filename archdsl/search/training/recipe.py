"""The numbers of a training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW, a rate that warms up and falls by a cosine, decay where the papers have it.

    epochs: how often all images are seen.
    seconds: no further epoch begins after so many; None for no limit. With a limit the result depends on the machine.
    batch: images of one step.
    lr: the highest rate.
    warmup: share of the steps in which the rate rises.
    weight_decay: of all weights but those of `no_weight_decay`.
    smoothing: share of the label that is spread over all classes.
    clip: the largest norm of the gradient; 0 for no limit.
    augment: a name of `augment.AUGMENTATIONS`.
    threads: of the processor; the sums of another number come out in another order.
    """

    epochs: int = 10
    seconds: float | None = None
    batch: int = 64
    lr: float = 2e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    smoothing: float = 0.1
    clip: float = 5.0
    augment: str = "none"
    threads: int = 1
