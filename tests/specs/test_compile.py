"""Training steps under `torch.compile`, for the families that have no file of their own and for inductor."""

from __future__ import annotations

import copy

import pytest
import torch
import torch._inductor.config

import archdsl
from archdsl.lowering import compile
from tests.specs.steps import graphs_of_steps

SIZE = (64, 64)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "smaller"), [("biformer_t", {"routed.pad": True}), ("davit_tiny", {})])
def test_steps_of_several_batches_make_at_most_two_graphs(spec: str, smaller: dict[str, object]) -> None:
    module = archdsl.build(f"@{spec}", at=SIZE, classes=10, set=smaller)
    assert graphs_of_steps(module, SIZE) <= 2


@pytest.mark.slow
@pytest.mark.skipif(compile.compiler() is None, reason="inductor needs a C++ compiler")
# inductor and its dependencies warn of their own deprecations
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("spec", "size", "smaller"),
    [
        ("convit_tiny", (64, 64), {"local.depth": 2, "global.depth": 1}),  # a chain
        # depthwise mixers; inductor sums the statistics of a norm in another way from 4,096 numbers on, and asks which way it
        # is: at this size the batches fall on the same side of it as of the change of convolutions at a batch of 16
        ("spartan_t", (40, 40), {"s1.depth": 1, "s2.depth": 1, "s3.depth": 1, "s4.depth": 1}),
    ],
)
def test_inductor_trains_as_eager_steps_do(spec: str, size: tuple[int, int], smaller: dict[str, object]) -> None:
    eager = archdsl.build(f"@{spec}", at=size, classes=10, set={**smaller, "drop_path": 0}).train()
    compiled = copy.deepcopy(eager)
    # a graph of the cache brings the bounds of the batch that it was made for
    with torch._inductor.config.patch(force_disable_caches=True):
        assert graphs_of_steps(compiled, size, backend="inductor") <= 2
    # the last step's gradients, of the same images
    graphs_of_steps(eager, size, backend="eager")
    largest = max(weight.grad.abs().max() for weight in eager.parameters())
    for (name, one), two in zip(eager.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad, rtol=1e-3, atol=1e-4 * float(largest), msg=name)
