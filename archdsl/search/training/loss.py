"""What a training makes small: the cross-entropy of all heads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def loss_of(outputs: Tensor | dict[str, Tensor], labels: Tensor, *, smoothing: float) -> Tensor:
    """The mean over the heads of the cross-entropy with smoothed labels.

    A head gives [B, classes], or a class of each position, [B, classes, H, W]: then each position has the label of its image.
    """
    heads = outputs.values() if isinstance(outputs, dict) else [outputs]
    return torch.stack([_of_head(head, labels, smoothing) for head in heads]).mean()


def _of_head(head: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    if head.ndim > 2:
        labels = labels.view(-1, *[1] * (head.ndim - 2)).expand(-1, *head.shape[2:])
    return F.cross_entropy(head, labels, label_smoothing=smoothing)
