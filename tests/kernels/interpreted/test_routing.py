"""The kernels of `routing` against float64, in both forms, and the module that holds them."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archdsl.components.token.routing import kernel, samples
from archdsl.components.token.routing.operator import routing_attention
from archdsl.kernels.choice import Use
from archdsl.kernels.sample import Sample
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import resolved
from archdsl.testing.interpreting import teach_bfloat16
from archdsl.testing.parity import check_parity, check_repeatable
from tests.kernels.support import permuted, sliced

teach_bfloat16()

FORMS = ("gather", "dense")
ODD = pytest.mark.parametrize("sample", samples.ODD, ids=str)
FORM = pytest.mark.parametrize("form", FORMS)
LEAST = {"BLOCK_M": 16, "BLOCK_N": 16, "num_warps": 1, "num_stages": 1}


def _drawn(sample: Sample, batch: int = 1, dtype: torch.dtype = torch.float16, seed: int = 0) -> tuple[Any, ...]:
    return samples.draw(sample, batch, dtype=dtype, device="cpu", seed=seed)


def _sample(height: int, width: int, channels: int, heads: int, topk: int, rows: int, columns: int) -> Sample:
    shape = {"height": height, "width": width, "channels": channels, "heads": heads}
    return Sample("drawn", shape | {"topk": topk, "rows": rows, "columns": columns})


def _force(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Let the launchers take a form whatever the shape."""
    for launcher in ("forward", "backward"):
        monkeypatch.setattr(kernel, launcher, partial(getattr(kernel, launcher), form=form))


def _in_least_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernels walk through many tiles, the last of them in part, where the table has one."""
    monkeypatch.setattr(kernel, "configuration", lambda *_, **__: dict(LEAST))


@ODD
@FORM
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=lambda dtype: str(dtype)[6:])
def test_is_as_near_to_float64_as_the_reference(
    sample: Sample, form: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    _force(monkeypatch, form)
    check_parity(routing_attention, _drawn(sample, 2 if dtype == torch.float32 else 1, dtype))


@FORM
@pytest.mark.parametrize(
    ("sample", "batch"),
    [
        pytest.param(_sample(10, 9, 24, 1, 2, 2, 3), 2, id="a tile a region, in part"),
        pytest.param(_sample(10, 14, 20, 1, 1, 2, 2), 1, id="three tiles a region, the last in part"),
        pytest.param(_sample(4, 8, 8, 1, 3, 2, 2), 3, id="regions that fill tiles"),
    ],
)
def test_walks_through_many_tiles(sample: Sample, batch: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _force(monkeypatch, form)
    _in_least_tiles(monkeypatch)
    check_parity(routing_attention, _drawn(sample, batch))


@pytest.mark.parametrize(("rows", "columns"), [(13, 5), (16, 8), (3, 43)])
def test_takes_more_regions_than_a_word_has_bits(rows: int, columns: int) -> None:
    assert kernel.form_of(1, rows * columns, 5) == "dense"
    check_parity(routing_attention, _drawn(_sample(rows, columns, 8, 1, 5, rows, columns)))


def test_the_last_bit_of_a_word_counts() -> None:
    # 64 regions of one position, each routed to the one that the sign of a word stands for and to itself
    qkv = _drawn(_sample(8, 8, 8, 1, 2, 8, 8))[0]
    routes = torch.stack((torch.arange(64), torch.full((64,), 63)), -1)[None]
    routes[0, 63, 0] = 0
    check_parity(routing_attention, (qkv, routes, 1, 8, 8, 0.3))


@pytest.mark.parametrize(("regions", "topk"), [(7, 3), (70, 2), (5, 5)])
@pytest.mark.parametrize("at_once", [16, 1024])
def test_routes_are_turned_round(regions: int, topk: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_ROUTES", at_once)
    routes = torch.rand(2, regions, regions, generator=torch.Generator().manual_seed(0)).topk(topk, -1).indices
    selected = kernel._selected(routes)
    bounds, selecting = kernel._inverted(routes)
    for image, of in enumerate(routes.tolist()):
        bits = [sum(word % 2**64 << 64 * place for place, word in enumerate(words)) for words in selected[image].tolist()]
        assert bits == [sum(1 << other for other in chosen) for chosen in of]
        first = bounds[image].tolist()
        found = [selecting[image, first[region] : first[region + 1]].tolist() for region in range(regions)]
        assert found == [[by for by in range(regions) if region in of[by]] for region in range(regions)]
        assert first[-1] == regions * topk


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    region=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    heads=st.integers(1, 2),
    head_dim=st.sampled_from([1, 3, 8, 24, 33]),
    share=st.floats(0, 1),
    form=st.sampled_from(FORMS),
    seed=st.integers(0, 99),
)
def test_holds_for_any_shape(
    region: tuple[int, int], grid: tuple[int, int], heads: int, head_dim: int, share: float, form: str, seed: int
) -> None:
    topk = 1 + round(share * (grid[0] * grid[1] - 1))
    sample = _sample(region[0] * grid[0], region[1] * grid[1], heads * head_dim, heads, topk, *grid)
    with pytest.MonkeyPatch.context() as monkeypatch:
        _force(monkeypatch, form)
        _in_least_tiles(monkeypatch)
        check_parity(routing_attention, _drawn(sample, seed=seed), seed=seed)


@FORM
@pytest.mark.parametrize("layout", [permuted, sliced])
def test_takes_any_strides(layout: Any, form: str) -> None:
    qkv, routes, *rest = _drawn(samples.ODD[3], 2)
    plain = kernel.forward(qkv, routes, *rest, form=form)
    strided = layout(qkv), layout(routes), *rest
    outputs = kernel.forward(*strided, form=form)
    assert all(torch.equal(one, other) for one, other in zip(plain, outputs, strict=True))
    # every number of the gradient is written, whatever lies between them: what is allocated is filled before
    grad = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(1)).half()
    (expected,) = kernel.backward(grad, qkv, routes, *rest, *plain, form=form)
    (found,) = kernel.backward(layout(grad), *strided, *outputs, form=form)
    assert found.stride() == torch.empty_like(strided[0]).stride()
    assert torch.equal(found, expected)
    # one number for all, as the gradient of a sum is
    one = grad.new_ones(()).expand_as(grad)
    (found,) = kernel.backward(one, *strided, *outputs, form=form)
    assert torch.equal(found, kernel.backward(one.contiguous(), qkv, routes, *rest, *plain, form=form)[0])


@pytest.mark.parametrize("layout", [permuted, sliced])
def test_is_near_to_float64_for_any_strides(layout: Any) -> None:
    for sample in samples.ODD[1:3]:
        qkv, routes, *rest = _drawn(sample)
        check_parity(routing_attention, (layout(qkv), layout(routes), *rest))


@FORM
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=lambda dtype: str(dtype)[6:])
def test_two_runs_give_the_same_bits(form: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    _force(monkeypatch, form)
    _in_least_tiles(monkeypatch)
    check_repeatable(routing_attention, _drawn(samples.ODD[3], 2, dtype))


@FORM
def test_keys_that_nothing_is_routed_to_have_no_gradient(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    qkv, routes, *rest = _drawn(samples.ODD[3], 2)
    routes[..., 0], routes[..., 1] = 4, 1  # of six regions
    _force(monkeypatch, form)
    check_parity(routing_attention, (qkv, routes, *rest))
    outputs = kernel.forward(qkv, routes, *rest)
    (gradient,) = kernel.backward(torch.ones_like(outputs[0]), qkv, routes, *rest, *outputs)
    regions = gradient[..., 24:].reshape(2, 2, 5, 3, 3, 48).transpose(2, 3).flatten(1, 2)
    assert regions.flatten(2).abs().sum(-1).ne(0)[0].tolist() == [False, True, False, False, True, False]


@FORM
def test_large_logits_stay_finite(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _force(monkeypatch, form)
    _in_least_tiles(monkeypatch)
    qkv, *rest = _drawn(samples.ODD[3])
    arguments = (40 * qkv.float(), *rest)
    outputs = kernel.forward(*arguments)
    grad = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(1))
    (found,) = kernel.backward(grad, *arguments, *outputs)
    exact = arguments[0].double().requires_grad_()
    y = routing_attention.reference(exact, *rest)
    (expected,) = torch.autograd.grad(y, exact, grad.double())
    torch.testing.assert_close(outputs[0].double(), y, rtol=0, atol=1e-3 * y.abs().max().item())
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-2 * expected.abs().max().item())


@FORM
def test_an_empty_batch_has_empty_outputs(form: str) -> None:
    qkv, routes, *rest = _drawn(samples.ODD[3])
    arguments = (qkv[:0], routes[:0], *rest)
    outputs = kernel.forward(*arguments, form=form)
    assert [tuple(output.shape) for output in outputs] == [(0, 10, 9, 24), (0, 10, 9, 1)]
    assert kernel.backward(outputs[0], *arguments, *outputs, form=form)[0].shape == (0, 10, 9, 72)


def test_a_map_of_regions_in_part_is_refused() -> None:
    qkv, routes, *_ = _drawn(samples.ODD[3])
    with pytest.raises(ValueError, match="a map of 10x9 cannot be cut into 3x2 regions"):
        kernel.forward(qkv, routes, 1, 3, 2, 1.0)


@pytest.mark.parametrize(
    ("positions", "regions", "topk", "form"),
    [(64, 49, 1, "gather"), (16, 49, 4, "gather"), (4, 49, 16, "dense"), (4, 49, 1, "gather"), (1, 6, 6, "dense")],
)
def test_few_positions_take_the_dense_form(positions: int, regions: int, topk: int, form: str) -> None:
    assert kernel.form_of(positions, regions, topk) == form


@pytest.mark.parametrize(
    ("x", "fields"),
    [
        (FeatureMap(16, Size(6, 8)), {"topk": 2, "regions": Size(3, 2), "head_dim": 8, "lepe": Size(5, 3)}),
        (FeatureMap(24, Size(7, 5)), {"topk": 3, "regions": Size(2, 3), "head_dim": 24, "pad": True, "lepe": Size(3, 3)}),
        (FeatureMap(8, Size(10, 8)), {"topk": 1, "regions": Size(2, 2), "head_dim": 4}),
    ],
    ids=["regions of 8", "padded", "regions of 20"],
)
def test_the_module_computes_what_its_reference_computes(x: FeatureMap, fields: dict[str, object]) -> None:
    torch.manual_seed(0)
    reference = instantiate(resolved("routing", fields, x), x)
    for weight in reference.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    module = copy.deepcopy(reference)
    reference.use = Use.REFERENCE
    images = torch.randn(2, *x.shape)
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
