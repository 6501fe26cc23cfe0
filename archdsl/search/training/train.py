"""Train a network for a short while and say how often it is right."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isfinite

import torch
from torch import Tensor, nn

from archdsl.search.data.examples import Batch, Data, Examples
from archdsl.search.training.augment import augmentation
from archdsl.search.training.loop import ignite
from archdsl.search.training.loss import loss_of
from archdsl.search.training.optimizer import optimizer_of, rate
from archdsl.search.training.random import repeatable
from archdsl.search.training.recipe import Recipe

# images are judged in larger batches than they are learnt in: no gradients are kept
_JUDGED = 4


class Diverged(ArithmeticError):
    """A training whose loss is no number any more."""


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    seed: int,
    step: Callable[[int, float], None] | None = None,
) -> float:
    """Train a module in place, and give the share of the images to validate with that it is right about at the end.

    On the processor the result is a function of the weights, the data, the recipe without `seconds`, and the seed. The module
    is left in evaluation mode.

    Parameters
    ----------
    model: a module that `archdsl.build` makes, on the device to train on.
    seed: of the order of the images, the augmentation, and what the network drops.
    step: told the accuracy after each epoch, the first of which is 1. What it raises ends the training.

    Raises
    ------
    Diverged: the loss became infinite, or no number.
    SpecError: `missing-package`.
    """
    engine, _ = ignite()
    device = next(model.parameters()).device
    prepared = _Prepared(data, device)
    order = torch.Generator().manual_seed(seed)
    batches = data.train.batches(recipe.batch, shuffle=order)
    steps = len(batches) * recipe.epochs
    found: list[float] = []
    began = time.monotonic()
    with repeatable(seed, device, recipe.threads):
        augmented = augmentation(recipe.augment, *prepared.size(data.train))
        optimizer = optimizer_of(model, recipe)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: rate(done, steps, recipe.warmup))

        def learn(trainer: object, batch: Batch) -> None:
            images, labels = prepared.images(batch[0], augmented), batch[1].to(device)
            loss = loss_of(model(images), labels, smoothing=recipe.smoothing)
            if not isfinite(value := loss.item()):
                state = trainer.state
                raise Diverged(f"the loss is {value} at step {state.iteration} of {steps}, in epoch {state.epoch}")
            optimizer.zero_grad()
            loss.backward()
            if recipe.clip:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            rates.step()

        trainer = engine.Engine(learn)

        @trainer.on(engine.Events.EPOCH_STARTED)
        def _train() -> None:
            model.train()

        @trainer.on(engine.Events.EPOCH_COMPLETED)
        def _judge() -> None:
            found.append(accuracy(model, data.val, data, batch=_JUDGED * recipe.batch))
            if step is not None:
                step(trainer.state.epoch, found[-1])
            if recipe.seconds is not None and time.monotonic() - began > recipe.seconds:
                trainer.terminate()

        trainer.run(batches, max_epochs=recipe.epochs, epoch_length=len(batches))
    return found[-1]


def accuracy(model: nn.Module, examples: Examples, data: Data, *, batch: int = 256) -> float:
    """The share of images that a module is right about, from 0 to 1. The module is left in evaluation mode.

    Its answer is the class of the largest logit; of logits at each position, [B, classes, H, W], that of the largest mean over
    the positions.
    """
    engine, metrics = ignite()
    device = next(model.parameters()).device
    prepared = _Prepared(data, device)
    model.eval()

    def judge(_: object, batch: Batch) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            logits = model(prepared.images(batch[0]))
        return logits.flatten(2).mean(2) if logits.ndim > 2 else logits, batch[1].to(device)

    evaluator = engine.Engine(judge)
    metrics.Accuracy(device=device).attach(evaluator, "accuracy")
    return float(evaluator.run(examples.batches(batch)).metrics["accuracy"])


class _Prepared:
    """Images on the device, augmented and normalised."""

    def __init__(self, data: Data, device: torch.device) -> None:
        self._device = device
        self._mean, self._std = data.mean.to(device), data.std.to(device)

    def images(self, images: Tensor, augmented: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        images = images.to(self._device)
        images = augmented(images) if augmented else images
        return (images - self._mean) / self._std

    @staticmethod
    def size(examples: Examples) -> tuple[int, int]:
        height, width = examples[0][0].shape[1:]
        return height, width
