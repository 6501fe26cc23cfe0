"""Every operator as torch uses it: eager, compiled, exported, mapped, differentiated. On the CPU it runs its reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.flop_counter import FlopCounterMode

from archdsl.kernels.operator import Operator
from archdsl.kernels.sample import Sample
from archdsl.lowering.compile import compiler
from tests.kernels.support import IDS, LAYOUTS, ODD, OPERATORS, drawn, on_tensors, recording

EACH = pytest.mark.parametrize(("name", "sample"), ODD, ids=IDS)
# one awkward shape of each is enough for what does not look at numbers
ONCE = [(name, next(sample for other, sample in ODD[::-1] if other == name)) for name in OPERATORS]
ONE = pytest.mark.parametrize(("name", "sample"), ONCE, ids=list(OPERATORS))

COMPILER = pytest.mark.skipif(compiler() is None, reason="inductor needs a C++ compiler")


def test_there_are_operators_with_samples() -> None:
    assert set(OPERATORS) >= {"routing_attention", "halo_attention", "aggregated_attention"}
    for operator in OPERATORS.values():
        samples = operator.samples()
        assert samples.ODD and samples.PUBLISHED and samples.LARGEST


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("name", "sample"),
    [pytest.param(*each, marks=() if each in ONCE else pytest.mark.slow, id=told) for each, told in zip(ODD, IDS, strict=True)],
)
def test_torch_finds_nothing_wrong(name: str, sample: Sample, layout: str) -> None:
    operator = OPERATORS[name]
    arguments = on_tensors(LAYOUTS[layout], drawn(name, sample))
    torch.library.opcheck(operator.forward, recording(operator, arguments)[0])
    outputs = operator.forward(*arguments)
    for grad in (torch.ones_like(outputs[0]), LAYOUTS[layout](torch.ones_like(outputs[0]))):
        torch.library.opcheck(operator.backward, (grad, *arguments, *outputs))


@EACH
def test_its_gradients_are_those_of_the_reference(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    arguments, leaves = recording(operator, drawn(name, sample, dtype=torch.float64))
    y = operator(*arguments)
    expected = operator.reference(*arguments)
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    found = torch.autograd.grad(y, leaves, grad)
    for one, other, leaf in zip(found, torch.autograd.grad(expected, leaves, grad), leaves, strict=True):
        torch.testing.assert_close(one, other)
        assert one.stride() == torch.empty_like(leaf).stride()


@EACH
def test_outputs_are_as_promised(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    arguments = drawn(name, sample, dtype=torch.bfloat16)
    for made, promised in zip(operator.forward(*arguments), operator.allocate(*arguments), strict=True):
        assert (made.shape, made.stride(), made.dtype) == (promised.shape, promised.stride(), promised.dtype)


@EACH
def test_what_it_costs_grows_with_the_batch(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]

    def shapes(batch: int) -> tuple[Any, ...]:
        return tuple(tuple(v.shape) if isinstance(v, Tensor) else v for v in drawn(name, sample, batch))

    one, three = shapes(1), shapes(3)
    grad = tuple(operator.allocate(*drawn(name, sample, 1))[0].shape)
    assert operator.macs(*three) == 3 * operator.macs(*one) > 0
    assert operator.exponentials(*three) == 3 * operator.exponentials(*one) > 0
    assert operator.backward_macs(grad, *one) > operator.macs(*one)


@ONE
def test_torch_counts_both_passes(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    arguments, leaves = recording(operator, drawn(name, sample))
    counted = []
    for call in (operator, operator.reference):
        with FlopCounterMode(display=False) as forward:
            y = call(*arguments)
        with FlopCounterMode(display=False) as backward:
            torch.autograd.grad(y.sum(), leaves)
        counted.append((forward.get_total_flops(), backward.get_total_flops()))
    (forwards, backwards), (expected, least) = counted
    assert forwards == expected
    # what is computed anew comes on top, once at most
    assert least < backwards <= least + expected


# torch says so of itself while inductor is imported
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")
@ONE
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=[pytest.mark.slow, COMPILER])])
def test_it_compiles_once_for_all_batches(name: str, sample: Sample, backend: str) -> None:
    operator = OPERATORS[name]
    counter = CompileCounterWithBackend(backend)
    torch.compiler.reset()
    compiled = torch.compile(lambda *given: operator(*given) * 2, fullgraph=True, backend=counter)
    for batch in (2, 3, 5):
        arguments, leaves = recording(operator, drawn(name, sample, batch))
        for place, kind in enumerate(operator.arguments):
            if kind in operator.batched:
                torch._dynamo.mark_dynamic(arguments[place], 0)
        y, expected = compiled(*arguments), operator(*arguments) * 2
        torch.testing.assert_close(y, expected)
        for one, other in zip(
            torch.autograd.grad(y.square().sum(), leaves), torch.autograd.grad(expected.square().sum(), leaves), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert counter.frame_count == 1


class _Called(nn.Module):
    """An operator with its numbers, as a module of its tensors."""

    def __init__(self, name: str, numbers: tuple[Any, ...]) -> None:
        super().__init__()
        self.name, self.numbers = name, numbers

    def forward(self, *tensors: Tensor) -> Tensor:
        return OPERATORS[self.name](*tensors, *self.numbers)


@ONE
def test_it_is_exported_for_all_batches(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    count = len(operator.tensors)
    arguments = drawn(name, sample)
    batch = torch.export.Dim("batch", min=1)
    dynamic = tuple({0: batch} if tensor in operator.batched else None for tensor in operator.tensors)
    called = _Called(name, arguments[count:])
    program = torch.export.export(called, arguments[:count], dynamic_shapes=(dynamic,))
    assert any(node.target is operator.forward for node in program.graph.nodes)
    for size in (1, 3):
        tensors = drawn(name, sample, size)[:count]
        torch.testing.assert_close(program.module()(*tensors), called(*tensors))


@ONE
def test_autocast_leaves_it_as_it_is(name: str, sample: Sample) -> None:
    operator, arguments = OPERATORS[name], drawn(name, sample)
    expected = operator(*arguments)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(operator(*arguments), expected)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_empty_batch_has_empty_outputs(name: str) -> None:
    operator = OPERATORS[name]
    for sample in operator.samples().ODD[:2]:
        arguments, leaves = recording(operator, drawn(name, sample, 0))
        y = operator(*arguments)
        assert y.numel() == 0
        for gradient in torch.autograd.grad(y.sum(), leaves):
            assert not gradient.any()


def _many(name: str, sample: Sample, count: int = 3) -> list[tuple[Any, ...]]:
    return [drawn(name, sample, seed=seed) for seed in range(count)]


def _mapped(name: str, many: list[tuple[Any, ...]], varying: tuple[str, ...]) -> tuple[list[Any], list[int | None]]:
    """Arguments with a new axis of the tensors that vary, and where it is: in front, or last."""
    operator = OPERATORS[name]
    places = [(-1 if place % 2 else 0) if kind in varying else None for place, kind in enumerate(operator.arguments)]
    given = [
        many[0][place] if axis is None else torch.stack([one[place] for one in many], axis) for place, axis in enumerate(places)
    ]
    return given, places


def _chosen(operator: Operator, given: Sequence[Any], places: Sequence[int | None], index: int) -> list[Any]:
    """The arguments of one of the calls that a mapped one stands for."""
    return [value if axis is None else value.select(axis, index) for value, axis in zip(given, places, strict=True)]


def _check_mapped(name: str, sample: Sample, varying: tuple[str, ...]) -> None:
    operator = OPERATORS[name]
    given, places = _mapped(name, _many(name, sample), varying)
    for index, y in enumerate(torch.func.vmap(operator, tuple(places))(*given)):
        torch.testing.assert_close(y, operator(*_chosen(operator, given, places, index)))


@ONE
def test_it_is_mapped_over_the_batch(name: str, sample: Sample) -> None:
    batched = OPERATORS[name].batched
    for varying in filter(None, (batched, batched[:1], batched[1:])):
        _check_mapped(name, sample, varying)


@ONE
def test_it_is_mapped_over_anything(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    shared = tuple(kind for kind in operator.tensors if kind not in operator.batched)
    for varying in filter(None, (shared[:1], shared, operator.tensors)):
        _check_mapped(name, sample, varying)


@ONE
def test_gradients_go_through_a_mapped_call(name: str, sample: Sample) -> None:
    operator, many = OPERATORS[name], _many(name, sample)
    given, places = _mapped(name, many, operator.batched)
    given, leaves = recording(operator, tuple(given))
    found = torch.autograd.grad(torch.func.vmap(operator, tuple(places))(*given).square().sum(), leaves)
    alone = torch.stack([operator(*_chosen(operator, given, places, index)) for index in range(len(many))])
    for one, other in zip(found, torch.autograd.grad(alone.square().sum(), leaves), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@ONE
def test_a_second_derivative_is_refused(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    arguments, leaves = recording(operator, drawn(name, sample, 1))
    (slope, *_) = torch.autograd.grad(operator(*arguments).square().sum(), leaves, create_graph=True)
    with pytest.raises(NotImplementedError, match="has no second derivative: build the model with `kernels=False`"):
        torch.autograd.grad(slope.sum(), leaves)


# torch says so of itself when forward mode is first used
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@ONE
def test_forward_mode_is_refused(name: str, sample: Sample) -> None:
    operator = OPERATORS[name]
    first, *rest = drawn(name, sample, 1)

    def one(x: Tensor) -> Tensor:
        return operator(x, *rest)

    with pytest.raises(NotImplementedError, match="has no forward-mode derivative: build the model with `kernels=False`"):
        torch.func.jvp(one, (first,), (first,))
    with pytest.raises(NotImplementedError, match="has no forward-mode derivative"):
        torch.func.jvp(torch.func.vmap(one), (first[None],), (first[None],))
    one(first)


@ONE
def test_it_is_called_by_what_it_is(name: str, sample: Sample) -> None:
    assert repr(OPERATORS[name]) == f"<operator archdsl::{name}>"
    assert OPERATORS[name].forward.name() == f"archdsl::{name}"
