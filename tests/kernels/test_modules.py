"""Modules with the operator in place of the reference. On the CPU, where both compute the same."""

from __future__ import annotations

import copy
import importlib
import io
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from archdsl.kernels.choice import Kernelled, Use
from archdsl.schema.component import instantiate
from archdsl.schema.registry import built_in, lookup
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import resolved

CASES: dict[str, tuple[dict[str, object], FeatureMap]] = {
    "aggregated": ({"head_dim": 6, "window": Size(3, 3), "pool": Size(2, 3)}, FeatureMap(12, Size(6, 5))),
    "halo": ({"block": Size(4, 4), "halo": 1, "heads": 2}, FeatureMap(16, Size(8, 4))),
    "routing": ({"topk": 2, "regions": Size(2, 3), "head_dim": 4}, FeatureMap(8, Size(4, 9))),
}
EACH = pytest.mark.parametrize("name", CASES)


def _module(name: str) -> nn.Module:
    path, _, attribute = lookup(name).schema.module.partition(":")
    return getattr(importlib.import_module(path), attribute)


def _pair(name: str) -> tuple[Kernelled, Kernelled, FeatureMap]:
    """The same module with its reference and with its operator."""
    fields, x = CASES[name]
    torch.manual_seed(0)
    reference = instantiate(resolved(name, fields, x), x).eval()
    operator = copy.deepcopy(reference)
    reference.use, operator.use = Use.REFERENCE, Use.OPERATOR
    return reference, operator, x


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the operators that are called."""
    from archdsl.kernels.operator import Operator

    found: list[str] = []
    plain = Operator.__call__
    monkeypatch.setattr(Operator, "__call__", lambda self, *given: found.append(self.name) or plain(self, *given))
    yield found


def test_every_component_with_a_kernel_is_here() -> None:
    assert {name for name in built_in() if issubclass(_module(name), Kernelled)} == set(CASES)


@EACH
def test_the_operator_computes_what_the_reference_computes(name: str, calls: list[str]) -> None:
    found = []
    for module in _pair(name)[:2]:
        module.double().train()
        module.use = Use.REFERENCE if not found else Use.OPERATOR
        x = torch.randn(3, *CASES[name][1].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        x = x.float().requires_grad_()
        module.float()
        y = module(x)
        y.square().sum().backward()
        found.append([y, x.grad, *(weight.grad for weight in module.parameters())])
    assert len(calls) == 1
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@EACH
def test_double_precision_stays_with_the_reference(name: str, calls: list[str]) -> None:
    _, module, x = _pair(name)
    assert module.double()(torch.randn(1, *x.shape, dtype=torch.float64)).dtype == torch.float64
    assert calls == []


@EACH
def test_copies_and_pickles_keep_the_choice(name: str, calls: list[str]) -> None:
    _, module, x = _pair(name)
    images = torch.randn(2, *x.shape)
    saved = io.BytesIO()
    torch.save(module, saved)
    saved.seek(0)
    with torch.no_grad():
        expected = module(images)
        for twin in (copy.deepcopy(module), torch.load(saved, weights_only=False)):
            assert twin.use is Use.OPERATOR
            assert torch.equal(twin(images), expected)
    assert len(calls) == 3


@EACH
def test_under_autocast_it_computes_in_the_format_of_autocast(name: str, calls: list[str]) -> None:
    reference, module, x = _pair(name)
    images = torch.randn(2, *x.shape)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y, expected = module(images), reference(images)
    assert len(calls) == 1
    assert y.dtype == expected.dtype
    torch.testing.assert_close(y, expected, rtol=0.1, atol=0.1)


@EACH
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
def test_it_compiles_as_one_graph_and_once(name: str, layout: torch.memory_format) -> None:
    _, module, x = _pair(name)
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(module, fullgraph=True, backend=counter)
    for batch in (2, 3):
        images = torch.randn(batch, *x.shape).contiguous(memory_format=layout)
        torch._dynamo.mark_dynamic(images, 0)
        torch.testing.assert_close(compiled(images), module(images), rtol=1e-4, atol=1e-5)
    assert counter.frame_count == 1
    (graph,) = counter.graphs
    assert any("archdsl" in str(node.target) for node in graph.graph.nodes)


@EACH
def test_it_is_mapped_over_images(name: str, calls: list[str]) -> None:
    _, module, x = _pair(name)
    images = torch.randn(3, *x.shape)

    def one(image: Tensor) -> Tensor:
        return module(image[None])[0]

    with torch.no_grad():
        torch.testing.assert_close(torch.func.vmap(one)(images), module(images), rtol=1e-4, atol=1e-5)


@EACH
def test_weights_are_mapped_as_an_ensemble(name: str) -> None:
    _, module, x = _pair(name)
    images = torch.randn(2, *x.shape)
    others = [copy.deepcopy(module) for _ in range(3)]
    with torch.no_grad():
        for other in others:
            for weight in other.parameters():
                weight.add_(torch.randn_like(weight), alpha=0.1)
        weights, buffers = torch.func.stack_module_state(others)
        found = torch.func.vmap(lambda w, b: torch.func.functional_call(module, (w, b), (images,)))(weights, buffers)
        for index, other in enumerate(others):
            torch.testing.assert_close(found[index], other(images), rtol=1e-4, atol=1e-5)
