"""The kernels of `halo` against float64, and the module that holds them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archdsl.components.token.halo import kernel, samples
from archdsl.components.token.halo.operator import halo_attention
from archdsl.kernels.choice import Use
from archdsl.kernels.sample import Sample
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import resolved
from archdsl.testing.interpreting import teach_bfloat16
from archdsl.testing.parity import check_parity, check_repeatable, errors
from tests.kernels.support import permuted, sliced

teach_bfloat16()

ODD = pytest.mark.parametrize("sample", samples.ODD, ids=str)
# small tiles, so that small shapes have several of them, the last in part
LEAST = {
    "forward": {"queries": 16, "keys": 16},
    "query_gradients": {"queries": 16, "keys": 16, "blocks": 2},
    "key_gradients": {"queries": 16, "keys_h": 4, "keys_w": 4},
}
NOT_SQUARE, WIDE_HALO, STRIDED = samples.ODD[1], samples.ODD[3], samples.ODD[4]


def _drawn(sample: Sample, batch: int = 1, dtype: torch.dtype = torch.float16, seed: int = 0) -> tuple[Any, ...]:
    return samples.draw(sample, batch, dtype=dtype, device="cpu", seed=seed)


def _in_least_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernels walk through many tiles, and few programs take all blocks."""
    monkeypatch.setattr(kernel, "configuration", lambda _, name, *__, **___: {**LEAST[name], "num_warps": 1, "num_stages": 1})
    monkeypatch.setattr(kernel, "_LEAST_PARTS", 2)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


@ODD
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=lambda dtype: str(dtype)[6:])
def test_is_as_near_to_float64_as_the_reference(sample: Sample, dtype: torch.dtype) -> None:
    check_parity(halo_attention, _drawn(sample, dtype=dtype))


@ODD
def test_walks_through_many_tiles(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_least_tiles(monkeypatch)
    check_parity(halo_attention, _drawn(sample, seed=1))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    queries=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    stride=st.integers(1, 2),
    grid=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    halo=st.integers(0, 3),
    heads=st.integers(1, 2),
    head_dim=st.sampled_from([1, 3, 8, 24, 33]),
    value_dim=st.sampled_from([1, 8, 20, 48]),
    last=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 99),
)
def test_holds_for_any_shape(
    queries: tuple[int, int],
    stride: int,
    grid: tuple[int, int],
    halo: int,
    heads: int,
    head_dim: int,
    value_dim: int,
    last: tuple[bool, bool],
    seed: int,
) -> None:
    block = (queries[0] * stride, queries[1] * stride)
    shape = {"height": block[0] * grid[0], "width": block[1] * grid[1], "heads": heads, "head_dim": head_dim}
    shape |= {"value_dim": value_dim, "block_height": block[0], "block_width": block[1], "halo": halo, "stride": stride}
    q, kv, *rest = _drawn(Sample("drawn", shape), seed=seed)
    q, kv = (_channels_last(tensor) if like else tensor for tensor, like in zip((q, kv), last, strict=True))
    with pytest.MonkeyPatch.context() as monkeypatch:
        _in_least_tiles(monkeypatch)
        check_parity(halo_attention, (q, kv, *rest), seed=seed)


@pytest.mark.parametrize("sample", [samples.ODD[0], STRIDED], ids=str)
def test_float32_is_exact_whatever_is_drawn(sample: Sample) -> None:
    # a small tensor can be lucky: twice the error of the reference is then too little
    for seed in (1, 2):
        for error in errors(halo_attention, _drawn(sample, dtype=torch.float32, seed=seed), seed=seed):
            assert error.largest < 16 * error.unit, error


@pytest.mark.parametrize(
    ("of_q", "of_kv"),
    [
        (torch.Tensor.contiguous, _channels_last),
        (_channels_last, torch.Tensor.contiguous),
        (permuted, sliced),
        (sliced, permuted),
    ],
)
def test_takes_any_strides(
    of_q: Callable[[Tensor], Tensor], of_kv: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_least_tiles(monkeypatch)
    q, kv, *rest = _drawn(STRIDED)
    plain = kernel.forward(q, kv, *rest)
    strided = (of_q(q), of_kv(kv), *map(permuted, rest[:2]), *rest[2:])
    outputs = kernel.forward(*strided)
    assert all(torch.equal(one, other) for one, other in zip(plain, outputs, strict=True))
    # the result is as q is, where q is dense and has its channels last
    assert outputs[0].is_contiguous(memory_format=torch.channels_last if of_q is _channels_last else torch.contiguous_format)
    grad = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(1)).half()
    expected = kernel.backward(grad, q, kv, *rest, *plain)
    found = kernel.backward(of_kv(grad), *strided, *outputs)
    for gradient, other, tensor in zip(found, expected, strided, strict=False):
        assert gradient.stride() == torch.empty_like(tensor).stride()
        assert torch.equal(gradient, other)
    # one number for all, as the gradient of a sum is
    one = grad.new_ones(()).expand_as(grad)
    for gradient, other in zip(
        kernel.backward(one, *strided, *outputs), kernel.backward(one.contiguous(), q, kv, *rest, *plain), strict=True
    ):
        assert torch.equal(gradient, other)


@pytest.mark.parametrize("of_kv", [permuted, sliced])
def test_is_near_to_float64_for_any_strides(of_kv: Callable[[Tensor], Tensor]) -> None:
    q, kv, *rest = _drawn(STRIDED)
    check_parity(halo_attention, (_channels_last(q), of_kv(kv), *rest))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=lambda dtype: str(dtype)[6:])
def test_two_runs_give_the_same_bits(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_least_tiles(monkeypatch)
    check_repeatable(halo_attention, _drawn(NOT_SQUARE, dtype=dtype))


def test_tables_get_the_same_gradient_from_few_programs_as_from_many(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = _drawn(WIDE_HALO, dtype=torch.float32)
    outputs = kernel.forward(*arguments)
    grad = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(1))
    many = kernel.backward(grad, *arguments, *outputs)
    # one program for each of the six blocks, then one for all of them
    monkeypatch.setattr(kernel, "_LEAST_PARTS", 1)
    few = kernel.backward(grad, *arguments, *outputs)
    assert torch.equal(many[0], few[0]) and torch.equal(many[1], few[1])
    for one, other in zip(many[2:], few[2:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_rows_of_tables_that_are_never_read_get_a_gradient_of_zero() -> None:
    arguments = _drawn(STRIDED)
    outputs = kernel.forward(*arguments)
    *_, height_rel, width_rel = kernel.backward(torch.randn(outputs[0].shape).half(), *arguments, *outputs)
    # windows of 6x8, and 2x3 queries a block
    assert height_rel.any(1).tolist() == [False] * 4 + [True] * 7
    assert width_rel.any(1).tolist() == [False] * 5 + [True] * 10


def test_large_logits_stay_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    _in_least_tiles(monkeypatch)
    q, *rest = _drawn(NOT_SQUARE)
    arguments = (40 * q.float(), *(value.float() if isinstance(value, Tensor) else value for value in rest))
    outputs = kernel.forward(*arguments)
    grad = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(1))
    found = kernel.backward(grad, *arguments, *outputs)
    exact = [value.double().requires_grad_() if isinstance(value, Tensor) else value for value in arguments]
    y = halo_attention.reference(*exact)
    expected = torch.autograd.grad(y, exact[:4], grad.double())
    for got, want in zip((outputs[0], *found), (y, *expected), strict=True):
        torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-3 * want.abs().max().item())


def test_an_empty_batch_has_empty_outputs() -> None:
    q, kv, *rest = _drawn(STRIDED)
    arguments = (q[:0], kv[:0], *rest)
    outputs = kernel.forward(*arguments)
    assert [tuple(output.shape) for output in outputs] == [(0, 20, 4, 6), (0, 1, 4, 6)]
    gradients = kernel.backward(outputs[0], *arguments, *outputs)
    assert [gradient.shape for gradient in gradients] == [value.shape for value in arguments[:4]]
    assert not gradients[2].any() and not gradients[3].any()


def test_a_map_of_blocks_in_part_is_refused() -> None:
    q, kv, height_rel, width_rel, *_ = _drawn(STRIDED)
    with pytest.raises(ValueError, match="a map of 8x12 with 4x6 queries cannot be cut into blocks of 3x6"):
        kernel.forward(q, kv, height_rel, width_rel, 1, 3, 6, 1, 1, 1.0)


def test_an_image_that_addresses_do_not_reach_is_refused() -> None:
    q, kv, *rest = (value.to("meta") if isinstance(value, Tensor) else value for value in _drawn(STRIDED))
    far = torch.empty_strided(kv.shape, (1, 1, 2**29, 2**25), dtype=kv.dtype, device="meta")
    with pytest.raises(ValueError, match="lie further apart than the kernel can address"):
        kernel.forward(q, far, *rest)


@pytest.mark.parametrize(
    ("x", "fields"),
    [
        (FeatureMap(16, Size(4, 6)), {"block": Size(4, 3), "halo": 1, "heads": 2}),
        (FeatureMap(24, Size(8, 8)), {"block": Size(4, 4), "halo": 3, "head_dim": 24, "value_ratio": 2.0, "stride": 2}),
        # a stride that does not divide the blocks averages
        (FeatureMap(8, Size(6, 9)), {"block": Size(3, 3), "halo": 2, "heads": 1, "stride": 2}),
    ],
    ids=["two heads", "every other query", "averaged"],
)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
def test_the_module_computes_what_its_reference_computes(
    x: FeatureMap, fields: dict[str, object], memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    reference = instantiate(resolved("halo", fields, x), x)
    for weight in reference.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    module = copy.deepcopy(reference)
    reference.use = Use.REFERENCE
    images = torch.randn(2, *x.shape).contiguous(memory_format=memory_format)
    assert module.runs_operator(images) and not reference.runs_operator(images)

    def found(model: torch.nn.Module) -> dict[str, Tensor]:
        given = images.clone().requires_grad_()
        y = model(given)
        y.square().sum().backward()
        gradients = {name: weight.grad for name, weight in model.named_parameters()}
        return {"y": y.detach(), "x": given.grad, **gradients}

    expected = found(reference)
    for name, value in found(module).items():
        scale = expected[name].abs().max()
        torch.testing.assert_close(
            value / scale, expected[name] / scale, rtol=0, atol=1e-5, msg=lambda told, n=name: f"{n}: {told}"
        )
