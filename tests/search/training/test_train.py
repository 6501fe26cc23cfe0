"""A short training: it learns, it comes out the same, and it says why it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import archdsl
from archdsl.ir.network import decayed, undecayed
from archdsl.lowering.module import Backbone
from archdsl.search.data.examples import Data, Held
from archdsl.search.training.augment import AUGMENTATIONS, augmentation
from archdsl.search.training.loss import loss_of
from archdsl.search.training.optimizer import optimizer_of, rate
from archdsl.search.training.recipe import Recipe
from archdsl.search.training.train import Diverged, accuracy, train

ARCH = """
arch small {
  input = 1x12x12
  classes = 4
  drop_path = 0.1
  layout { residual layernorm -> token, residual batchnorm -> channel }
  stem = conv(3x3, out = 16, stride = 2) -> batchnorm -> gelu
  stage s1 { dim = 16, depth = 2, token = attention(heads = 2), channel = mlp(ratio = 2) }
  head main = mean -> layernorm -> linear(classes)
  head aux = linear(classes)
  logits = main
}
"""
RECIPE = Recipe(epochs=4, batch=16, lr=5e-3)


def stripes(count: int = 120) -> Data:
    """Noise, with stripes along one axis, along the other, along both, or with none; the class says which."""
    images = 0.3 * torch.rand((count, 1, 12, 12), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % 4
    rows = (torch.arange(12) % 2)[:, None] * 0.5
    patterns = torch.stack([rows.expand(12, 12), rows.T.expand(12, 12), (rows - rows.T).abs(), torch.zeros(12, 12)])
    held = Held(images + patterns[labels][:, None], labels)
    half = count // 2
    train, val = held.chosen(range(half)), held.chosen(range(half, count))
    return Data(train, val, ("rows", "columns", "both", "none"), images.mean().view(1, 1, 1), torch.ones(1, 1, 1))


def module(seed: int = 0) -> Backbone:
    return archdsl.build(archdsl.loads(ARCH), seed=seed)


def test_it_learns_and_tells_each_epoch() -> None:
    told: list[tuple[int, float]] = []
    model = module()
    found = train(model, stripes(), replace(RECIPE, epochs=12), seed=0, step=lambda epoch, value: told.append((epoch, value)))
    assert [epoch for epoch, _ in told] == list(range(1, 13))
    assert told[-1][1] == found > 0.9
    assert not model.training
    data = stripes()
    with torch.no_grad():
        images, labels = data.val.__getitems__(range(len(data.val)))
        assert ((model(images - data.mean).argmax(1) == labels).float().mean().item()) == pytest.approx(found)
    assert accuracy(model, data.val, data, batch=7) == found


@pytest.mark.parametrize("augment", ["none", "flip", "trivial"])
def test_the_same_seed_gives_the_same_bits(augment: str) -> None:
    def run(seed: int, weights: int = 0) -> tuple[list[float], dict[str, torch.Tensor]]:
        told: list[float] = []
        model = module(weights)
        train(model, stripes(), replace(RECIPE, epochs=2, augment=augment), seed=seed, step=lambda _, value: told.append(value))
        return told, {key: value.clone() for key, value in model.state_dict().items()}

    torch.manual_seed(1)
    one, first = run(0)
    torch.manual_seed(2)
    np.random.seed(3)
    two, second = run(0)
    assert one == two
    assert all(torch.equal(first[key], second[key]) for key in first)
    _, third = run(1)
    assert not all(torch.equal(first[key], third[key]) for key in first)


def test_it_leaves_what_it_borrows() -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(module(), stripes(), replace(RECIPE, epochs=1, threads=2), seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


class Enough(BaseException):
    """A trial that is not worth going on with."""


@pytest.mark.parametrize("kind", [Enough, ValueError])
def test_what_step_raises_ends_it(kind: type[BaseException], capfd: pytest.CaptureFixture[str]) -> None:
    told: list[int] = []

    def step(epoch: int, value: float) -> None:
        told.append(epoch)
        if epoch == 2:
            raise kind

    threads = torch.get_num_threads()
    with pytest.raises(kind):
        train(module(), stripes(), replace(RECIPE, threads=2), seed=0, step=step)
    assert told == [1, 2]
    assert torch.get_num_threads() == threads
    assert capfd.readouterr().err == ""


def test_a_limit_in_seconds() -> None:
    told: list[int] = []
    found = train(module(), stripes(), replace(RECIPE, seconds=1e-9), seed=0, step=lambda epoch, value: told.append(epoch))
    assert told == [1]
    assert 0 <= found <= 1


def test_a_loss_that_is_no_number() -> None:
    model = module()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="the loss is nan at step 1 of 12, in epoch 1"):
        train(model, stripes(), replace(RECIPE, epochs=4, batch=20), seed=0)


def test_fewer_images_than_a_batch() -> None:
    assert 0 <= train(module(), stripes(8), replace(RECIPE, epochs=2, batch=512), seed=0) <= 1


def test_weights_are_decayed_as_papers_do() -> None:
    spec = archdsl.load("specs/convit_tiny.arch", set={"input": (3, 32, 32)}, at=None)
    model = archdsl.build(spec)
    with_decay, without = optimizer_of(model, Recipe(weight_decay=0.1)).param_groups
    assert (with_decay["weight_decay"], without["weight_decay"]) == (0.1, 0.0)
    names = {id(value): name for name, value in model.named_parameters()}
    bare = {names[id(value)] for value in without["params"]}
    assert bare | {names[id(value)] for value in with_decay["params"]} == set(names.values())
    network = spec.network
    assert undecayed(network) - {""} <= bare
    assert not decayed(network) & bare
    assert all(name in bare for name, value in model.named_parameters() if value.ndim <= 1 and name not in decayed(network))


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.0), (1, 1.0), (2, 0.1), (10, 0.3), (100, 0.1), (10, 1.0)])
def test_the_rate_rises_and_falls(steps: int, warmup: float) -> None:
    rates = [rate(step, steps, warmup) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < value <= 1 for value in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert top == min(round(warmup * steps), steps - 1)
    # the scheduler asks for one more than is used
    assert rate(steps, steps, warmup) >= 0


def test_the_loss_of_all_heads() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, patches = torch.randn(6, 4, generator=generator), torch.randn(6, 4, 2, 3, generator=generator)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    entropy = nn.CrossEntropyLoss(label_smoothing=0.1)
    whole = entropy(logits, labels)
    assert torch.allclose(loss_of(logits, labels, smoothing=0.1), whole)
    each = torch.stack([entropy(patches[..., i, j], labels) for i in range(2) for j in range(3)]).mean()
    assert torch.allclose(loss_of({"main": logits, "aux": patches}, labels, smoothing=0.1), (whole + each) / 2)


def test_several_heads_are_trained() -> None:
    model = module()
    before = {key: value.clone() for key, value in model.named_parameters()}
    assert any(key.startswith("head.aux") for key in before)
    train(model, stripes(), replace(RECIPE, epochs=1), seed=0)
    assert all(not torch.equal(value, before[key]) for key, value in model.named_parameters() if key.startswith("head."))


def test_logits_of_each_position() -> None:
    head = "head main = mean -> layernorm -> linear(classes)\n  head aux = linear(classes)\n  logits = main\n"
    model = archdsl.build(archdsl.loads(ARCH.replace(head, "head = conv(1x1, out = classes)\n")), seed=0)
    data = stripes()
    found = train(model, data, replace(RECIPE, epochs=2), seed=0)
    images, labels = data.val.__getitems__(range(len(data.val)))
    with torch.no_grad():
        logits = model(images - data.mean)
    assert logits.shape == (60, 4, 6, 6)
    assert (logits.mean((2, 3)).argmax(1) == labels).float().mean().item() == pytest.approx(found)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_keep_shape_and_range(name: str, channels: int) -> None:
    images = torch.rand((8, channels, 20, 28), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    change: Callable[[torch.Tensor], torch.Tensor] = augmentation(name, 20, 28)
    for _ in range(20):
        changed = change(images)
        assert changed.shape == images.shape
        assert changed.dtype == images.dtype
        assert changed.min() >= -1e-5
        assert changed.max() <= 1 + 1e-5
    assert torch.equal(changed, images) == (name == "none")


def test_an_unknown_augmentation() -> None:
    with pytest.raises(ValueError, match="no augmentation `shfit`: did you mean `shift`"):
        augmentation("shfit", 8, 8)
