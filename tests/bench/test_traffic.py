"""Bytes that operators and networks move, computed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from archdsl import api
from archdsl.bench.counted import all_bytes
from archdsl.bench.launches import beside, launchers
from archdsl.bench.scheduled import no_gradients, scheduled_bytes
from archdsl.bench.tables import network_table, operator_table, traffic_document
from archdsl.bench.traffic import NO_KERNEL, Counting, network_traffic, operator_traffic, total
from archdsl.components.operators import operators

SPEC = """
arch tiny {
  input   = 3x32x32
  classes = 4
  stem    = conv(4x4, out = 32, stride = 4)
  layout { residual layernorm -> token }
  stage s1 { dim = 32, depth = 2, token = routing(regions = 2x2, topk = 2, head_dim = 16) }
  stage s2 { dim = 32, depth = 1, token = attention(heads = 2), down = conv(2x2, stride = 2) }
  head = mean -> linear(classes)
}
"""
COUNTING = Counting(batch=16, dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("name", "training"),
    [
        ("routing_attention", False),
        pytest.param("routing_attention", True, marks=pytest.mark.slow),
        *(pytest.param("aggregated_attention", training, marks=pytest.mark.slow) for training in (False, True)),
        *(pytest.param("halo_attention", training, marks=pytest.mark.slow) for training in (False, True)),
    ],
)
def test_an_operator_moves_little_more_than_it_must(name: str, training: bool) -> None:
    operator = operators()[name]
    sample = operator.samples().PUBLISHED[0]
    row, *_ = operator_traffic(operator, replace(COUNTING, training=training), [sample])
    found = row.traffic
    assert row.name == str(sample)
    assert found.minimum < found.kernels < 2.5 * found.minimum
    assert found.minimum < found.kernels_compiled <= found.kernels
    assert found.kernels < found.compiled < found.reference


def test_the_minimum_of_an_operator_is_its_arguments_and_its_result() -> None:
    operator = operators()["routing_attention"]
    sample = operator.samples().PUBLISHED[0]
    row, official = operator_traffic(operator, COUNTING, [sample])
    assert official.name == f"{sample}, as published"
    # what the reference takes in its place only moves less in the gradient
    assert official.traffic.compiled == row.traffic.compiled
    assert official.traffic.values()[2:] == row.traffic.values()[2:]
    positions = 16 * 56 * 56
    qkv, routes, y = positions * 192 * 2, 16 * 49 * 8, positions * 64 * 2
    assert row.traffic.minimum == qkv + routes + y
    # the sums of exponentials
    assert row.traffic.kernels >= qkv + routes + y + positions * 2 * 4


def test_what_launchers_allocate_is_counted() -> None:
    operator = operators()["halo_attention"]
    assert launchers(operator) is not None
    arguments = operator.samples().draw(operator.samples().ODD[0], 1, dtype=torch.float32, device="cpu")
    outputs = operator.allocate(*arguments)
    grad = torch.empty_like(outputs[0])
    tables = [value for value in arguments[2:4] if isinstance(value, Tensor)]
    # of the gradients of tables every program writes its part, which is read again
    assert beside(operator.backward, (grad, *arguments, *outputs)) > all_bytes(tables)
    assert beside(torch.ops.aten.add.Tensor, (grad, grad)) == 0


def test_a_compiled_graph_reads_once_what_it_fuses() -> None:
    x = torch.zeros(64, 64)
    moved = scheduled_bytes(lambda x: (x * 2).relu() + x, no_gradients, [x], lambda function, arguments: 0, "eager")
    assert moved == 2 * 64 * 64 * 4


def _summed(x: Tensor, places: Tensor) -> Tensor:
    one = torch.zeros_like(x).scatter_add(0, places[:, None].expand_as(x), x.relu())
    two = torch.zeros_like(x).index_put((places,), x.exp(), accumulate=True)
    return one + two


def test_neither_threads_nor_a_gpu_that_is_here_change_a_compiled_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    x, places = torch.zeros(64, 64, dtype=torch.bfloat16), torch.zeros(64, dtype=torch.int64)

    def moved() -> int:
        return scheduled_bytes(_summed, no_gradients, [x, places], lambda function, arguments: 0, "eager")

    alone, threads = moved(), torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert moved() == alone
    finally:
        torch.set_num_threads(threads)
    # its inductor does not add in bfloat16
    monkeypatch.setattr("torch._inductor.lowering.needs_fallback_due_to_atomic_add_limitations", lambda dtype: True)
    assert moved() == alone


def test_a_network_is_told_by_stage_and_token_mixer() -> None:
    network = api.loads(SPEC).network
    rows, whole = network_traffic(network, COUNTING)
    assert [(row.name, row.component, row.count, row.reason) for row in rows] == [
        ("s1", "routing", 2, None),
        ("s2", "attention", 1, NO_KERNEL),
    ]
    routing, attention = (row.traffic for row in rows)
    assert attention.kernels == attention.reference
    assert attention.kernels_compiled == attention.compiled
    assert routing.minimum < routing.kernels < routing.reference
    # two sites of maps [16, 32, 8, 8] and 4 * 32 * 32 weights with 4 * 32 biases
    assert routing.minimum == 2 * 2 * (2 * 16 * 32 * 64 + 4 * 32 * 32 + 4 * 32)
    assert whole.minimum > total(rows).minimum
    assert whole.kernels == whole.reference - routing.reference + routing.kernels

    document = traffic_document(rows, whole)
    assert document["network"]["minimum"] == whole.minimum
    assert document["token_mixers"]["kernels"] == total(rows).kernels
    shown = network_table(rows, whole).text()
    assert "attention (no kernel)" in shown
    assert f"{whole.reference / 1e6:_.1f}" in shown


@pytest.mark.slow
def test_training_moves_more() -> None:
    network = api.loads(SPEC).network
    once, _ = network_traffic(network, COUNTING)
    rows, whole = network_traffic(network, replace(COUNTING, training=True))
    for forward, both in zip(once, rows, strict=True):
        assert all(2 * one < two for one, two in zip(forward.traffic.values(), both.traffic.values(), strict=True))
    assert whole.minimum > 2 * total(rows).minimum


def test_a_table_of_shapes() -> None:
    operator = operators()["routing_attention"]
    rows = operator_traffic(operator, replace(COUNTING, batch=1), operator.samples().ODD[:1])
    assert operator_table(rows).rows[0][0] == "one region"
