"""Beside timm and torchvision in one process: with their weights, their logits and the gradients of all parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.building import keymap_of
from archdsl.lowering.build import build_module
from archdsl.lowering.weights import official_state
from tests.timm.torchvision_names import import_torchvision

# float32: the largest difference of two logits, over the deviation of the logits
LOGITS = 1e-5
# float64: the largest difference of two entries, over the largest entry of the tensor, or of all gradients for the floor
EXACT, FLOOR = 1e-9, 1e-12

KEYS = Path(__file__).parent / "keys"
SAMPLES = Path(__file__).parents[1] / "specs" / "samples"


@dataclass(frozen=True)
class Pair:
    """A spec and what makes its twin, at inputs of the published size and of a small one that the spec takes.

    Without a key map of the pair's own the twin has the names of the published checkpoints.
    """

    spec: str
    twin: Callable[[tuple[int, int]], nn.Module]
    published: tuple[int, int]
    small: tuple[int, int]
    set: Mapping[str, object] = field(default_factory=dict)
    quick: bool = False

    def __str__(self) -> str:
        return Path(self.spec).stem.removeprefix("@")

    def twins(self, at: tuple[int, int], *, stirred: bool) -> tuple[nn.Module, nn.Module, Path]:
        """The twin, the spec's module with its weights, and the key map that took them there."""
        spec = archdsl.load(self.spec, at=at, set=self.set)
        own = KEYS / f"{self}.keys.yaml"
        keymap = own if own.exists() else keymap_of(spec)
        assert keymap is not None
        torch.manual_seed(7)
        theirs = self.twin(at).eval()
        if stirred:
            _stir(theirs)
        ours = build_module(spec.network, weights=theirs.state_dict(), keymap=keymap)
        return theirs, ours, keymap


def _timm(name: str, **fields: object) -> nn.Module:
    import timm

    return timm.create_model(name, **fields)


def _resnet() -> nn.Module:
    from torchvision.models import resnet50

    return resnet50(weights=None)


PAIRS = (
    Pair("@volo_d1", lambda at: _timm("volo_d1_224", img_size=at), (224, 224), (64, 96), quick=True),
    Pair("@convit_tiny", lambda at: _timm("convit_tiny", img_size=at), (224, 224), (64, 64), quick=True),
    Pair("@davit_tiny", lambda at: _timm("davit_tiny"), (224, 224), (64, 96)),
    Pair("@halonet26t", lambda at: _timm("halonet26t"), (256, 256), (256, 256)),
    Pair(str(SAMPLES / "resnet50.arch"), lambda at: _resnet(), (224, 224), (64, 96)),
    Pair(
        str(SAMPLES / "vit_s16_registers.arch"),
        lambda at: _timm("vit_small_patch16_224", img_size=at, reg_tokens=4, no_embed_class=True),
        (224, 224),
        (64, 96),
        # there all tokens are in the table of positions, or the patches alone
        {"stem": "patch_embed(16x16) -> position_table -> class_token -> registers(4)"},
    ),
)
EACH = pytest.mark.parametrize("pair", PAIRS, ids=str)


@pytest.fixture(scope="module", autouse=True)
def _plain_products() -> Iterator[None]:
    import_torchvision()
    from timm.layers import set_fused_attn

    # a fused product rounds otherwise
    set_fused_attn(False)
    yield
    set_fused_attn(True)


@EACH
@pytest.mark.slow
def test_the_same_logits(pair: Pair) -> None:
    theirs, ours, _ = pair.twins(pair.published, stirred=False)
    images = torch.randn(2, 3, *pair.published)
    with torch.no_grad():
        expected = theirs(images)
        assert (ours(images) - expected).abs().max() <= LOGITS * expected.std()


@EACH
@pytest.mark.slow
def test_the_same_gradients(pair: Pair) -> None:
    _assert_same_gradients(pair, pair.published, stirred=False)


@pytest.mark.parametrize(
    "pair", [pytest.param(pair, marks=() if pair.quick else pytest.mark.slow, id=str(pair)) for pair in PAIRS]
)
def test_the_same_gradients_where_no_weight_is_zero(pair: Pair) -> None:
    # norms and biases that start at zero hide what they work on
    _assert_same_gradients(pair, pair.small, stirred=True)


def _assert_same_gradients(pair: Pair, at: tuple[int, int], *, stirred: bool) -> None:
    theirs, ours, keymap = pair.twins(at, stirred=stirred)
    theirs, ours = theirs.double(), ours.double()
    images = torch.randn(2, 3, *at, dtype=torch.float64)
    weight = torch.randn(2, 1000, dtype=torch.float64)
    logits = []
    for module in (theirs, ours):
        out: Tensor = module(images)
        (out * weight).sum().backward()
        logits.append(out.detach())
    assert (logits[1] - logits[0]).abs().max() <= EXACT * logits[0].abs().max()

    expected = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert all(grad is not None for grad in expected.values())
    state: dict[str, Any] = {**ours.state_dict(), **{name: value.grad for name, value in ours.named_parameters()}}
    found = official_state(state, keymap)
    assert expected.keys() <= found.keys()
    floor = FLOOR * max(float(grad.abs().max()) for grad in expected.values())
    far = [
        f"{name}: {difference:.1e} of {largest:.1e}"
        for name, grad in expected.items()
        if (difference := float((found[name].reshape(grad.shape) - grad).abs().max()))
        > max(EXACT * (largest := float(grad.abs().max())), floor)
    ]
    assert far == []


def _stir(module: nn.Module) -> None:
    """Put random numbers on top of all weights, and draw running statistics that are no default."""
    with torch.no_grad():
        for value in module.parameters():
            scale = value.std() if value.dim() > 1 else 0.2
            value.add_(torch.randn_like(value) * scale)
        for name, value in module.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(std=0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.8, 1.5)
