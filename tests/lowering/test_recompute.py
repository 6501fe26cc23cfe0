"""Gradient checkpointing gives the gradients, the drops and the statistics of a plain step."""

from __future__ import annotations

import copy

import torch

import archdsl
from archdsl.lowering.level import Block

SPEC = """\
arch small {
  input     = 3x16x16
  classes   = 4
  drop_path = ramp(0.5)

  layout {
    residual batchnorm -> token
    residual layernorm -> channel
  }

  stem = conv(4x4, out = 8, stride = 4) -> batchnorm

  stage s1 { dim = 8, depth = 4, token = dwconv(3x3), channel = mlp }

  head = mean -> linear(classes)
}
"""


def _step(model: torch.nn.Module, images: torch.Tensor) -> None:
    torch.manual_seed(7)
    model(images).square().mean().backward()


def test_a_step_is_the_same_and_statistics_are_learned_once() -> None:
    plain = archdsl.build(archdsl.loads(SPEC)).double().train()
    kept = copy.deepcopy(plain)
    kept.set_grad_checkpointing()
    images = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    for _ in range(2):
        _step(plain, images)
        _step(kept, images)
    for (name, one), two in zip(plain.named_parameters(), kept.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, msg=name)
    for (name, one), two in zip(plain.named_buffers(), kept.buffers(), strict=True):
        assert torch.equal(one, two), name


def test_less_is_kept_and_it_can_be_switched_off() -> None:
    model = archdsl.build(archdsl.loads(SPEC)).train()
    images = torch.randn(2, 3, 16, 16)

    def kept() -> int:
        count = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal count
            count += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(images)
        return count

    before = kept()
    model.set_grad_checkpointing()
    assert kept() < before / 2
    model.set_grad_checkpointing(enable=False)
    assert kept() == before
    assert not any(module._recompute for module in model.modules() if isinstance(module, Block))


def test_evaluation_and_copies_are_not_concerned() -> None:
    model = archdsl.build(archdsl.loads(SPEC))
    images = torch.randn(2, 3, 16, 16)
    expected = model(images)
    model.set_grad_checkpointing()
    assert torch.equal(copy.deepcopy(model)(images), expected)


def test_it_compiles_as_one_graph() -> None:
    model = archdsl.build(archdsl.loads(SPEC), set={"drop_path": 0}).train()
    twin = copy.deepcopy(model)
    model.set_grad_checkpointing()
    images = torch.randn(3, 3, 16, 16)
    torch.compile(model, fullgraph=True, backend="aot_eager")(images).sum().backward()
    twin(images).sum().backward()
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-5, rtol=1e-4)


def test_what_is_trained_without_decay() -> None:
    model = archdsl.build(archdsl.loads(SPEC.replace("-> batchnorm\n\n  stage", "-> position_table\n\n  stage")))
    names = model.no_weight_decay()
    assert {"stem.position_table.weight", "stem.conv.bias", "stages.s1.0.batchnorm.weight"} <= names
    assert {"stem.conv.weight", "stages.s1.0.token.weight", "head.linear.weight"}.isdisjoint(names)


READING = """\
arch reading {
  input   = 3x16x16
  classes = 4

  layout guided { residual resize(s1) -> concat(guide, identity) -> conv(3x3) }

  stem = conv(4x4, out = 8, stride = 4)

  stage s1 { dim = 8, depth = 1, layout = plain }

  node guide = s1 -> conv(1x1, out = 8)

  stage s2 { dim = 8, depth = 2, layout = guided, from = s1 }

  head = mean -> linear(classes)

  layout plain { residual conv(3x3) }
}
"""


def test_blocks_that_read_values_by_name_find_them_again() -> None:
    # the guide is done with, and gone, before the backward pass
    plain = archdsl.build(archdsl.loads(READING)).double().train()
    kept = copy.deepcopy(plain)
    kept.set_grad_checkpointing()
    compiled = copy.deepcopy(kept)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    _step(plain, images)
    _step(kept, images)
    torch.compile(compiled, fullgraph=True, backend="aot_eager")(images).square().mean().backward()
    for (name, one), two, three in zip(plain.named_parameters(), kept.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, msg=name)
        torch.testing.assert_close(one.grad, three.grad, msg=name)
