"""The kernels of `aggregated` against float64, and the module that holds them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archdsl.components.token.aggregated import kernel, samples
from archdsl.components.token.aggregated.operator import MOST_PLACES, aggregated_attention
from archdsl.kernels.choice import Use
from archdsl.kernels.sample import Sample
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import resolved
from archdsl.testing.interpreting import teach_bfloat16
from archdsl.testing.parity import check_parity, check_repeatable
from tests.components.stirred import stirred
from tests.kernels.support import on_tensors, permuted, recording, sliced

teach_bfloat16()

# tiles of 16 positions and of 16 cells, and programs for parts of the positions and of the batch
LEAST = {"tall": 2, "wide": 8, "cells": 16, "programs": 12, "num_warps": 1, "num_stages": 1}


def _sample(height: int, width: int, channels: int, heads: int, cells: int, rows: int = 3, columns: int = 3) -> Sample:
    shape = {"height": height, "width": width, "channels": channels, "heads": heads}
    return Sample("drawn", shape | {"cells": cells, "rows": rows, "columns": columns})


MANY_TILES = _sample(5, 11, 8, 1, 20)


def _drawn(sample: Sample, batch: int = 1, dtype: torch.dtype = torch.float16, seed: int = 0) -> tuple[Any, ...]:
    return samples.draw(sample, batch, dtype=dtype, device="cpu", seed=seed)


def _in_least_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "configuration", lambda *_, **__: dict(LEAST))


def _run(arguments: tuple[Any, ...], grad: Tensor | None = None) -> tuple[Tensor, ...]:
    """Outputs and gradients of the kernels."""
    outputs = kernel.forward(*arguments)
    if grad is None:
        grad = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(1)).to(outputs[0])
    return *outputs, *kernel.backward(grad, *arguments, *outputs)


def _expected(arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """What `_run` computes, in float64: the result and the gradients."""
    exact, wanted = recording(aggregated_attention, on_tensors(torch.Tensor.double, arguments))
    y = aggregated_attention.reference(*exact)
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(arguments[0].dtype)
    return y.detach(), *torch.autograd.grad(y, wanted, grad.double())


def _assert_near(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    for value, exact in zip((found[0], *found[2:]), expected, strict=True):
        assert value.isfinite().all()
        scale = exact.abs().max().clamp(min=1e-30)
        torch.testing.assert_close(value.double() / scale, exact / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("sample", samples.ODD, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=lambda dtype: str(dtype)[6:])
def test_is_as_near_to_float64_as_the_reference(sample: Sample, dtype: torch.dtype) -> None:
    check_parity(aggregated_attention, _drawn(sample, 1, dtype))


def test_computes_in_bfloat16() -> None:
    check_parity(aggregated_attention, _drawn(_sample(3, 4, 24, 1, 5), 2, torch.bfloat16))


@pytest.mark.parametrize(("sample", "batch"), [(MANY_TILES, 3), (_sample(3, 17, 24, 1, 5, 5, 3), 2)], ids=["3x3", "5x3"])
def test_walks_through_many_tiles_and_parts(sample: Sample, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_least_tiles(monkeypatch)
    check_parity(aggregated_attention, _drawn(sample, batch))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 10)),
    head_dim=st.sampled_from([1, 3, 8, 24, 33]),
    heads=st.integers(1, 2),
    cells=st.integers(1, 20),
    window=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3])),
    seed=st.integers(0, 99),
)
def test_holds_for_any_shape(
    size: tuple[int, int], head_dim: int, heads: int, cells: int, window: tuple[int, int], seed: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        _in_least_tiles(monkeypatch)
        arguments = _drawn(_sample(*size, heads * head_dim, heads, cells, *window), seed=seed)
        check_parity(aggregated_attention, arguments, seed=seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=lambda dtype: str(dtype)[6:])
def test_two_runs_give_the_same_bits(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_least_tiles(monkeypatch)
    check_repeatable(aggregated_attention, _drawn(MANY_TILES, 2, dtype))


@pytest.mark.parametrize("layout", [permuted, sliced])
def test_takes_any_strides(layout: Any) -> None:
    arguments = _drawn(_sample(3, 4, 16, 2, 3), 2)
    strided = on_tensors(layout, arguments)
    for one, other in zip(_run(arguments), _run(strided), strict=True):
        assert torch.equal(one, other)
    check_parity(aggregated_attention, strided)
    # one number for all, as the gradient of a sum is
    grad = torch.ones((), dtype=torch.float16).expand(arguments[0].shape)
    for one, other in zip(_run(arguments, grad), _run(strided, grad.contiguous()), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["queries", "keys", "pooled keys"])
def test_vectors_without_length_have_the_gradient_of_the_reference(which: int) -> None:
    arguments = list(_drawn(_sample(3, 4, 16, 2, 3), dtype=torch.float32))
    keys = arguments[which][..., :16]
    keys[:] = 0
    _assert_near(_run(tuple(arguments)), _expected(tuple(arguments)), 1e-5)
    # shorter than the least length, which then divides them in its place
    keys[:] = 1e-14 * torch.randn(keys.shape, generator=torch.Generator().manual_seed(2))
    _assert_near(_run(tuple(arguments)), _expected(tuple(arguments)), 1e-5)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("which", [0, 1, 2], ids=["queries", "keys", "pooled keys"])
def test_vectors_without_length_do_no_harm_in_half_precision(which: int) -> None:
    arguments = list(_drawn(_sample(3, 4, 16, 2, 3)))
    arguments[which][:, 0, ..., :16] = 0
    y, lse, d_q, d_kv, d_far, *_ = _run(tuple(arguments))
    assert y.isfinite().all() and lse.isfinite().all()
    # their own gradient is beyond what the format holds, all others are not touched
    own = (d_q, d_kv, d_far)[which].clone()
    own[:, 0, ..., :16] = 0
    for gradient in (*(each for place, each in enumerate((d_q, d_kv, d_far)) if place != which), own):
        assert gradient.isfinite().all()


def test_sharp_logits_stay_finite() -> None:
    arguments = list(_drawn(_sample(3, 4, 16, 2, 3), dtype=torch.float32))
    arguments[4] = 60 * arguments[4]
    _assert_near(_run(tuple(arguments)), _expected(tuple(arguments)), 1e-2)


def test_weights_may_be_finer_than_activations() -> None:
    q, kv, far_kv, *weights, far_bias, heads, rows, columns = _drawn(_sample(3, 4, 16, 2, 3), dtype=torch.float32)
    q, kv, far_kv, far_bias = (tensor.half() for tensor in (q, kv, far_kv, far_bias))
    arguments = (q, kv, far_kv, *weights, far_bias, heads, rows, columns)
    found = _run(arguments)
    assert [each.dtype for each in found[2:]] == [each.dtype for each in arguments[:9]]
    _assert_near(found, _expected(arguments), 2e-3)
    # the reference, on the other hand, computes in the finest format
    y = aggregated_attention.reference(*arguments)
    assert y.dtype == torch.float32
    torch.testing.assert_close(found[0].float(), y, rtol=0, atol=5e-3)


def test_an_empty_batch_has_empty_outputs() -> None:
    arguments = on_tensors(torch.Tensor.contiguous, _drawn(MANY_TILES))
    arguments = (*(tensor[:0] for tensor in arguments[:3]), *arguments[3:])
    y, lse, *gradients = _run(arguments)
    assert (tuple(y.shape), tuple(lse.shape)) == ((0, 5, 11, 8), (0, 5, 11, 1))
    for gradient, tensor in zip(gradients, arguments, strict=False):
        assert gradient.shape == tensor.shape and not gradient.any()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"head_dim": 256}, "a head has 256 channels, the kernel takes 128 at most"),
        ({"head_dim": 8, "window": Size(7, 9)}, f"a window has 63 places, the kernel takes {MOST_PLACES} at most"),
    ],
)
def test_declines_what_does_not_fit_in_registers(fields: dict[str, object], told: str) -> None:
    x = FeatureMap(256, Size(4, 4))
    module = instantiate(resolved("aggregated", {"reduction": 2, **fields}, x), x)
    assert module.declined == told
    assert not module.runs_operator(torch.zeros(1))


@pytest.mark.parametrize("size", [Size(6, 5), Size(3, 9)], ids=["its own map", "another map"])
def test_the_module_computes_what_its_reference_computes(size: Size) -> None:
    x = FeatureMap(16, Size(6, 5))
    fields = {"reduction": 2, "head_dim": 8, "pretrain": Size(8, 8)}
    reference = stirred(lambda: instantiate(resolved("aggregated", fields, x), x)).float()
    module = copy.deepcopy(reference)
    reference.use = Use.REFERENCE
    images = torch.randn(2, 16, *size, generator=torch.Generator().manual_seed(0))
    assert module.runs_operator(images) and not reference.runs_operator(images)

    def found(model: torch.nn.Module) -> dict[str, Tensor]:
        taken = images.clone().requires_grad_()
        y = model(taken)
        y.square().sum().backward()
        gradients = {name: weight.grad for name, weight in model.named_parameters()}
        return {"y": y.detach(), "x": taken.grad, **gradients}

    expected = found(reference)
    for name, value in found(module).items():
        scale = expected[name].abs().max()
        torch.testing.assert_close(
            value / scale, expected[name] / scale, rtol=0, atol=2e-5, msg=lambda told, n=name: f"{n}: {told}"
        )
