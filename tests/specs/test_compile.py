"""Training steps under `torch.compile`, for the families that have no file of their own and for inductor."""

from __future__ import annotations

import pytest
import torch

import archdsl
from archdsl.lowering import compile
from tests.specs.steps import graphs_of_steps

SIZE = (64, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "smaller"), [("biformer_t", {"routed.pad": True, "s3.depth": 2}), ("davit_tiny", {"s3.depth": 2})]
)
def test_steps_of_several_batches_make_at_most_two_graphs(spec: str, smaller: dict[str, object]) -> None:
    module = archdsl.build(f"@{spec}", at=SIZE, classes=10, set=smaller)
    assert graphs_of_steps(module, SIZE) <= 2


@pytest.mark.slow
@pytest.mark.skipif(compile.compiler() is None, reason="inductor needs a C++ compiler")
# inductor and its dependencies warn of their own deprecations
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("spec", "smaller"),
    [
        ("convit_tiny", {"local.depth": 2, "global.depth": 1}),  # a chain
        ("spartan_t", {"s1.depth": 1, "s2.depth": 1, "s3.depth": 2, "s4.depth": 1}),  # depthwise mixers
    ],
)
def test_inductor_trains_the_same_steps(spec: str, smaller: dict[str, object]) -> None:
    module = archdsl.build(f"@{spec}", at=SIZE, classes=10, set={**smaller, "drop_path": 0})
    assert graphs_of_steps(module, SIZE, backend="inductor") <= 2
    compiled = {name: weight.grad.clone() for name, weight in module.named_parameters() if weight.grad is not None}

    images = torch.randn(4, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    eager = archdsl.build(f"@{spec}", at=SIZE, classes=10, set={**smaller, "drop_path": 0}).train()
    torch.compiler.reset()
    twin = archdsl.build(f"@{spec}", at=SIZE, classes=10, set={**smaller, "drop_path": 0}).train()
    eager(images).square().mean().backward()
    torch.compile(twin, fullgraph=True)(images).square().mean().backward()
    torch.compiler.reset()
    largest = max(weight.grad.abs().max() for weight in eager.parameters())
    for (name, one), two in zip(eager.named_parameters(), twin.parameters(), strict=True):
        assert name in compiled
        torch.testing.assert_close(two.grad, one.grad, rtol=1e-3, atol=1e-5 * float(largest), msg=name)
