"""The data of a study, from its name or its path to what a training sees."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from archdsl.ir.network import Network
from archdsl.ir.preprocess import Preprocess
from archdsl.search.data import arrays, fault, folder
from archdsl.search.data.examples import Data, Examples, Held
from archdsl.search.data.fit import Fit
from archdsl.search.data.samples import SAMPLES
from archdsl.search.data.split import DEFAULT, Split, divided, fewer
from archdsl.source.suggest import closest

# bytes of images that are kept in memory at the input's size; beyond, they are resized or read each time they are drawn
KEPT = 2 * 1024**3
# images that mean and deviation are taken from
_MEASURED = 2000
_AT_ONCE = 256


def load_data(data: str, network: Network, split: Split = DEFAULT) -> Data:
    """Images to train the network of a spec with, resized to its input.

    Parameters
    ----------
    data: `digits`, `mnist_sample`, a folder with a folder for each class (or `train/` and `val/` with these), or a `.npz` file.

    Raises
    ------
    SpecError: `missing-data`, `missing-package`, `unreadable-data`, `wrong-data`, `too-few-images`.
    """
    return _loaded(data, network.image.channels, network.classes, _fit(network), split, network.preprocess)


def check_data(data: str, network: Network, split: Split = DEFAULT) -> None:
    """Look whether there is such data, and whether it fits a spec. Image files are found, but not opened.

    Raises
    ------
    SpecError: as `load_data`.
    """
    _divided(data, network.image.channels, network.classes, _fit(network), split)


def in_full(data: str, folder: Path) -> str:
    """Data with its path seen from a folder, and in full; the names of the samples stay."""
    # links stay as they were written
    return data if data in SAMPLES else Path(os.path.abspath(folder / data)).as_posix()  # noqa: PTH100


def place_of(data: str) -> Path | None:
    """Where data lies, a folder or a `.npz` file; None for a sample that a package ships.

    Raises
    ------
    SpecError: `missing-data`, `wrong-data`.
    """
    if data in SAMPLES:
        return None
    path = Path(in_full(data, Path()))
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".npz"):
        # as a reader would write it here
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    meant = closest(path.name, SAMPLES)
    kinds = "a folder with a folder for each class, or a `.npz` file"
    if path.exists():
        raise fault.wrong(f"`{path}` is no folder and no `.npz` file", f"give {kinds}")
    help = f"did you mean `{meant}`? Else give" if meant else f"give {', '.join(f'`{name}`' for name in SAMPLES)},"
    seen = "in `study.yaml` a relative path is seen from the folder of the study"
    raise fault.missing(f"there is no data at `{path}`", f"{help} {kinds}; {seen}")


def _fit(network: Network) -> Fit:
    height, width = network.image.shape[1:]
    return Fit.of(height, width, network.preprocess)


@lru_cache(maxsize=2)
def _loaded(data: str, channels: int, classes: int, fit: Fit, split: Split, preprocess: Preprocess | None) -> Data:
    train, val, names = _divided(data, channels, classes, fit, split)
    train, val = _kept(train, fit), _kept(val, fit)
    mean, std = _statistics(train, preprocess)
    return Data(train, val, names, mean, std)


def _divided(data: str, channels: int, classes: int, fit: Fit, split: Split) -> tuple[Examples, Examples, tuple[str, ...]]:
    """Images to train with and to validate with, as they are stored, and the names of the classes."""
    train, val, names = _read(data, channels, classes, fit)
    if len(names) != classes:
        help = f"set `classes = {len(names)}` in the spec"
        raise fault.wrong(f"`{data}` has {len(names)} classes, and the spec has {classes}", help)
    if val is None:
        learnt, judged = divided(train.labels.tolist(), names, split.val_share, split.seed)
        train, val = train.chosen(learnt), train.chosen(judged)
    for examples, side in ((train, "to train with"), (val, "to validate with")):
        counts = torch.bincount(examples.labels, minlength=len(names)).tolist()
        if empty := [name for name, count in zip(names, counts, strict=True) if not count]:
            raise fault.too_few(f"class `{empty[0]}` of `{data}` has no image {side}")
    if split.train_images is not None:
        train = train.chosen(fewer(train.labels.tolist(), names, split.train_images, split.seed))
    if split.val_images is not None:
        val = val.chosen(fewer(val.labels.tolist(), names, split.val_images, split.seed))
    return train, val, names


def _read(data: str, channels: int, classes: int, fit: Fit) -> tuple[Examples, Examples | None, tuple[str, ...]]:
    """Images to train with or all, those to validate with if they are told apart, and the names of the classes."""
    path = place_of(data)
    if path is None:
        sample = SAMPLES[data]()
        images = sample.images.expand(-1, channels, -1, -1)
        return Held(images, sample.labels, fit), None, tuple(map(str, range(10)))
    if path.is_dir():
        listed, apart = folder.listed(path, channels)
        train, val = (part and folder.Files(part.paths, torch.tensor(part.labels), channels, fit) for part in (listed, apart))
        assert train is not None
        return train, val, listed.classes
    read, second = arrays.read(path, channels)
    count = max(int(part.labels.max()) + 1 for part in (read, second) if part)
    lowest = min(int(part.labels.min()) for part in (read, second) if part)
    if lowest < 0 or count > classes:
        text = f"`{data}` has labels from {lowest} to {count - 1}, and the spec has {classes} classes"
        raise fault.wrong(text, f"labels are from 0 to {classes - 1}")
    train, val = (part and Held(part.images, part.labels, fit) for part in (read, second))
    assert train is not None
    return train, val, tuple(map(str, range(classes)))


def _kept(examples: Examples, fit: Fit) -> Examples:
    """The same images at the input's size in memory, if there is room for them."""
    channels = examples.channels if isinstance(examples, folder.Files) else examples.images.shape[1]
    whole = isinstance(examples, folder.Files) or not examples.images.is_floating_point()
    if len(examples) * channels * fit.height * fit.width * (1 if whole else 4) > KEPT:
        return examples
    made = []
    for start in range(0, len(examples), _AT_ONCE):
        some = range(start, min(start + _AT_ONCE, len(examples)))
        made.append(
            examples.bytes(some) if isinstance(examples, folder.Files) else fit(examples.images[some.start : some.stop])
        )
    return Held(torch.cat(made), examples.labels)


def _statistics(train: Examples, preprocess: Preprocess | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel [C, 1, 1]: those of the spec's `preprocess`, else those of the images."""
    if preprocess is not None:
        return torch.tensor(preprocess.mean)[:, None, None], torch.tensor(preprocess.std)[:, None, None]
    count = min(len(train), _MEASURED)
    # evenly spread, whatever their order is
    indices = [index * len(train) // count for index in range(count)]
    total, squares = 0.0, 0.0
    for start in range(0, count, _AT_ONCE):
        images = train.__getitems__(indices[start : start + _AT_ONCE])[0].double()
        total += images.mean((2, 3)).sum(0)
        squares += images.square().mean((2, 3)).sum(0)
    mean = total / count
    # images of one shade are left as they are
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return mean.float()[:, None, None], torch.where(std > 1e-6, std, 1.0).float()[:, None, None]
