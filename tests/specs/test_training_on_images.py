"""Published backbones and two written for the occasion learn handwritten digits: the losses, the drops, the statistics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archdsl
from archdsl.ir.network import PlacedStage
from archdsl.lowering.level import Block
from archdsl.lowering.module import Backbone

SAMPLES = Path(__file__).parent / "samples"
SIDE, BATCH = 32, 48
# narrow and shallow enough for some seconds a run; the structure is that of the specs
CASES = {
    "care_s0": ("specs/care_s0.arch", {"s3.depth": 3, "s4.depth": 2}),
    "resnet50": (SAMPLES / "resnet50.arch", {"s3.depth": 3}),
    "vit_s16_registers": (
        SAMPLES / "vit_s16_registers.arch",
        {"blocks.depth": 3, "blocks.dim": 96, "stem": "patch_embed(8x8) -> class_token -> position_table -> registers(4)"},
    ),
}
STEPS = {"care_s0": 120, "resnet50": 100, "vit_s16_registers": 220}


def _digits() -> tuple[Tensor, Tensor]:
    """1,797 digits of scikit-learn, [N, 1, 32, 32] with mean 0, and what they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None] / 16
    images = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return (images - images.mean())[order], torch.tensor(found.target)[order]


def _batches(images: Tensor, labels: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        some = torch.randint(len(images), (BATCH,), generator=generator)
        yield images[some], labels[some]


def _loss(outputs: Tensor | dict[str, Tensor], labels: Tensor) -> Tensor:
    heads = outputs.values() if isinstance(outputs, dict) else [outputs]
    return torch.stack([F.cross_entropy(head, labels) for head in heads]).mean()


def _model(name: str) -> Backbone:
    path, smaller = CASES[name]
    return archdsl.build(path, input=(1, SIDE, SIDE), classes=10, set=smaller, seed=1)


def _groups(model: Backbone) -> list[dict[str, object]]:
    bare = model.no_weight_decay()
    named = dict(model.named_parameters())
    return [
        {"params": [value for name, value in named.items() if name not in bare], "weight_decay": 0.05},
        {"params": [value for name, value in named.items() if name in bare], "weight_decay": 0.0},
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_learns(name: str) -> None:
    images, labels = _digits()
    torch.manual_seed(0)
    model = _model(name).train()
    optimizer = torch.optim.AdamW(_groups(model), lr=2e-3)
    losses: list[float] = []
    reached: set[str] = set()
    for batch, target in _batches(images[:1500], labels[:1500], STEPS[name]):
        loss = _loss(model(batch), target)
        optimizer.zero_grad()
        loss.backward()
        reached |= {key for key, value in model.named_parameters() if value.grad is not None and bool(value.grad.any())}
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    assert reached == {key for key, _ in model.named_parameters()}
    first, last = sum(losses[:10]) / 10, sum(losses[-10:]) / 10
    assert last < 0.5 * first, losses

    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.eval()
    with torch.no_grad():
        right = (model(images[1500:]).argmax(1) == labels[1500:]).double().mean().item()
    assert right > 0.6
    # evaluation learns nothing, training moved the statistics
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    fresh = _model(name).state_dict()
    statistics = [key for key in state if key.endswith(("running_mean", "running_var"))]
    assert all(not torch.equal(state[key], fresh[key]) for key in statistics)
    assert all(int(state[key]) == STEPS[name] for key in state if key.endswith("num_batches_tracked"))


def test_branches_are_dropped_as_often_as_the_schedule_says() -> None:
    path, smaller = CASES["care_s0"]
    network = archdsl.load(path, set=smaller).network
    model = _model("care_s0").train()
    blocks = [(key, module) for key, module in model.named_modules() if isinstance(module, Block)]
    rates = torch.linspace(0, 0.1, len(blocks)).tolist()
    torch.manual_seed(0)
    for (key, block), rate in zip(blocks[:-1], rates, strict=False):
        _, stage, index = key.split(".")
        placed = network.values[stage]
        assert isinstance(placed, PlacedStage)
        x = torch.randn(2000, placed.blocks[int(index)].x.channels, 2, 2)
        with torch.no_grad():
            dropped = (block(x) == x).flatten(1).all(1).double().mean().item()
        assert abs(dropped - rate) < 4 * (rate * (1 - rate) / 2000) ** 0.5 + 1e-12, key
