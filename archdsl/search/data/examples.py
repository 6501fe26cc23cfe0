"""Labelled images that are drawn in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from archdsl.search.data.fit import Fit

# a batch: images [B, C, H, W] from 0 to 1, labels [B]
Batch = tuple[Tensor, Tensor]


class Examples(ABC, Dataset[Batch]):
    """Images with a class each. `labels` [N] has the classes as whole numbers."""

    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    @abstractmethod
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Images [B, C, H, W] from 0 to 1 of the input's size, and labels [B]."""

    @abstractmethod
    def chosen(self, indices: Sequence[int]) -> Examples:
        """Those of these indices, in this order."""

    def batches(self, size: int, *, shuffle: torch.Generator | None = None) -> DataLoader[Batch]:
        """Batches of this size: in order with what is left at the end, or shuffled anew in each epoch and all of one size."""
        return DataLoader(
            self,
            batch_size=min(size, len(self)),
            shuffle=shuffle is not None,
            drop_last=shuffle is not None,
            generator=shuffle,
            collate_fn=_as_it_is,
        )


@dataclass(frozen=True)
class Held(Examples):
    """Images in memory: `images` [N, C, h, w], bytes or floats from 0 to 1; with `fit` they are resized when they are drawn."""

    images: Tensor
    labels: Tensor
    fit: Fit | None = None

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        chosen = torch.as_tensor(indices)
        images = self.images[chosen]
        images = self.fit(images) if self.fit else images
        return images if images.is_floating_point() else images.float() / 255, self.labels[chosen]

    def chosen(self, indices: Sequence[int]) -> Held:
        chosen = torch.as_tensor(indices)
        return Held(self.images[chosen], self.labels[chosen], self.fit)


@dataclass(frozen=True, slots=True)
class Data:
    """What a training sees: images to learn from, images to be judged by, and what to subtract and divide by.

    `mean` and `std` are [C, 1, 1], for images from 0 to 1; `classes` has the names in the order of the labels.
    """

    train: Examples
    val: Examples
    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor


def _as_it_is(batch: Batch) -> Batch:
    return batch
