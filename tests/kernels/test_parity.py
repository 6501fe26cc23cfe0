"""What parity is proved with finds what is wrong: errors in a kernel, and what is read or written beyond its tensors."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from archdsl.kernels.operator import Operator
from archdsl.testing.guarded import Canaries, guarded
from archdsl.testing.parity import check_parity, check_repeatable
from tests.kernels.support import OPERATORS, drawn, permuted, sliced

ROUTING = OPERATORS["routing_attention"]
Pass = Callable[..., tuple[Tensor, ...]]


def _forward(*arguments: Any) -> tuple[Tensor, ...]:
    return ROUTING.forward(*arguments)


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    return (ROUTING.backward(*arguments),)


def _check(
    monkeypatch: pytest.MonkeyPatch, forward: Pass = _forward, backward: Pass = _backward, check: Any = check_parity
) -> None:
    """Check kernels that these functions stand for."""
    monkeypatch.setattr(Operator, "kernel", lambda _: SimpleNamespace(forward=forward, backward=backward))
    check(ROUTING, drawn("routing_attention", ROUTING.samples().ODD[1]))


@pytest.mark.parametrize("check", [check_parity, check_repeatable])
def test_the_reference_itself_holds(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _check(monkeypatch, check=check)


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_one_wrong_number_of_an_output_is_found(output: int, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        found = _forward(*arguments)
        found[output].view(-1)[7] += wrong
        return found

    with pytest.raises(AssertionError, match=f"too far from float64: {ROUTING.gives[output]}:"):
        _check(monkeypatch, forward)


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="too far from float64: the gradient of qkv"):
        _check(monkeypatch, backward=lambda *given: (1.0001 * _backward(*given)[0],))


def test_an_output_laid_out_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="y has the strides"):
        _check(monkeypatch, lambda *given: (permuted(_forward(*given)[0]), _forward(*given)[1]))


def test_runs_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter(range(9))
    with pytest.raises(AssertionError, match="two runs give different bits for the gradient of qkv"):
        _check(monkeypatch, backward=lambda *given: (_backward(*given)[0] + next(runs),), check=check_repeatable)


@pytest.mark.parametrize("layout", [permuted, sliced])
def test_what_is_read_beside_a_tensor_is_no_number(layout: Callable[[Tensor], Tensor]) -> None:
    tensor = layout(torch.randn(2, 3, 5))
    copy = guarded(tensor)
    assert torch.equal(copy, tensor) and copy.stride() == tensor.stride()
    whole = copy.as_strided((copy.untyped_storage().nbytes() // copy.element_size(),), (1,), 0)
    assert whole.isfinite().sum() == tensor.numel()
    assert whole[:1024].isnan().all() and whole[-1024:].isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int32, torch.int64], ids=str)
@pytest.mark.parametrize(("place", "where"), [(-1, "before"), (6, "after")])
def test_what_is_written_beside_a_tensor_is_seen(dtype: torch.dtype, place: int, where: str) -> None:
    with Canaries() as canaries:
        made = torch.empty(2, 3, dtype=dtype)
        like = torch.empty_like(made), made.new_empty(3)
    for each in (made, *like):
        each.zero_()
    canaries.check()
    made.as_strided((1,), (1,), made.storage_offset() + place).fill_(1)
    with pytest.raises(AssertionError, match=f"something was written {where} a tensor"):
        canaries.check()


def test_what_is_allocated_holds_no_number_yet() -> None:
    with Canaries():
        made, whole = torch.empty(2, 3), torch.empty(2, dtype=torch.int64)
    assert made.isnan().all()
    assert whole.tolist() == [-1, -1]
