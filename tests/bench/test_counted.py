"""Bytes of single operators."""

from __future__ import annotations

import torch

from archdsl.bench.counted import Counter, all_bytes, tensor_bytes


def counted(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [torch.zeros(shape) for shape in shapes]


def test_an_axis_of_stride_zero_counts_once() -> None:
    row = torch.zeros(1, 5)
    assert tensor_bytes(row.expand(7, 5)) == 20
    assert tensor_bytes(torch.zeros(0, 3)) == 0
    assert tensor_bytes(torch.zeros(3, 2, dtype=torch.bfloat16)) == 12


def test_a_tensor_counts_once() -> None:
    x = torch.zeros(4)
    assert all_bytes([x, [x, {"a": x}], torch.zeros(2)]) == 16 + 8


def test_arguments_are_read_and_outputs_written() -> None:
    one, two = counted((3, 4), (4, 5))
    with Counter() as counter:
        one.mm(two)
    assert counter.bytes == 4 * (12 + 20 + 15)


def test_views_and_allocations_move_nothing() -> None:
    (x,) = counted((4, 6))
    with Counter() as counter:
        x.reshape(2, 12).transpose(0, 1)[1:].unsqueeze(0).expand(3, -1, -1).chunk(2, -1)
        torch.empty_like(x)
        x.new_empty(7)
    assert counter.bytes == 0


def test_what_is_only_written_is_not_read() -> None:
    x, y = counted((4,), (4,))
    for run, expected in (
        (lambda: torch.zeros_like(x), 16),
        (lambda: x.zero_(), 16),
        (lambda: x.copy_(y), 32),
        (lambda: x.add_(y), 48),
        (lambda: x.new_full((2,), 1.0), 8),
    ):
        with Counter() as counter:
            run()
        assert counter.bytes == expected


def test_what_calls_move_beside_is_added() -> None:
    x, _ = counted((4,), (4,))
    with Counter(lambda function, arguments: 1000 if function is torch.ops.aten.neg.default else 0) as counter:
        x.neg().sum()
    assert counter.bytes == 32 + 1000 + 20
