"""A backbone of all mixers that have kernels: one step of training with them is one step with their references."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archdsl
from archdsl.kernels.choice import Use
from archdsl.lowering.dispatch import choose, sites

SPEC = """
arch small {
  input   = 3x16x16
  classes = 5

  layout {
    residual layernorm -> token
    residual layernorm -> channel
  }

  default {
    channel = mlp(ratio = 2)
    down    = conv(2x2, stride = 2)
  }

  stem = conv(2x2, out = 16, stride = 2)

  stage s1 { dim = 16, depth = 1, down = none, token = routing(topk = 2, regions = 2x2, head_dim = 8, lepe = 3x3) }
  stage s2 { dim = 16, depth = 2, token = cycle(aggregated(window = 3x3, pool = 2x2, head_dim = 8),
                                                halo(block = 2x2, halo = 1, head_dim = 8) -> conv(1x1)) }

  head = layernorm -> mean -> linear(classes)
}
"""


def _step(module: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    loss = F.cross_entropy(module(images), labels)
    loss.backward()
    return loss.detach(), {name: value.grad for name, value in module.named_parameters()}


def test_a_step_of_training_is_that_of_the_references() -> None:
    kernels = archdsl.build(archdsl.loads(SPEC)).train()
    assert {site.component for site in sites(kernels, "cpu") if site.implementation == "kernel"} == {
        "routing",
        "aggregated",
        "halo",
    }
    references = copy.deepcopy(kernels)
    choose(references, Use.REFERENCE)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 16, 16, generator=generator)
    labels = torch.tensor([1, 3])
    loss, gradients = _step(kernels, images, labels)
    expected, others = _step(references, images, labels)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    for name, gradient in gradients.items():
        largest = others[name].abs().max().item()
        torch.testing.assert_close(
            gradient, others[name], rtol=1e-4, atol=1e-5 * max(1.0, largest), msg=lambda said, name=name: f"{name}: {said}"
        )
