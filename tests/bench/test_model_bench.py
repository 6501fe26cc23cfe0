"""A whole backbone measured on the CPU; no time is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from torch import nn

from archdsl import api
from archdsl.bench.model_bench import KERNELS_COMPILED, bench_network
from archdsl.bench.result import PASSES
from archdsl.bench.tables import result_table
from archdsl.bench.ways import COMPILED, KERNEL, REFERENCE, Absent
from archdsl.kernels.choice import Kernelled, Use
from archdsl.lowering.dispatch import choose
from tests.bench.test_operator_bench import SETTINGS
from tests.bench.test_traffic import SPEC


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch, change: Callable[[nn.Module], object] = lambda module: None) -> None:
    """The modules that would run kernels run their operators, which on the CPU compute the reference."""

    def chosen(module: nn.Module, use: Use) -> None:
        if use is Use.BY_DEVICE:
            change(module)
            use = Use.OPERATOR
        choose(module, use)

    monkeypatch.setattr("archdsl.bench.model_bench.choose", chosen)


def test_a_backbone_has_its_images_a_second() -> None:
    result = bench_network(api.loads(SPEC).network, SETTINGS)
    assert result.holds
    (case,) = result.cases
    assert {row.way for row in case.rows} == {REFERENCE, COMPILED}
    assert case.absent == (Absent(KERNEL, "BiLevelRoutingAttention: the kernel is for CUDA"),)
    assert case.rounds == dict.fromkeys(PASSES, 2)
    assert json.loads(json.dumps(result.as_dict()))["target"] == "tiny"
    table = result_table(result, images=True)
    assert table.header[-1] == "images/s"
    assert all(float(row[-1].replace("_", "")) > 0 for row in table.rows)


def test_with_kernels_there_are_four_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    as_on_a_gpu(monkeypatch)
    result = bench_network(api.loads(SPEC).network, replace(SETTINGS, batch=1))
    (case,) = result.cases
    assert case.base == KERNEL
    assert case.absent == ()
    assert list(case.parity or {}) == [KERNEL]
    assert [row.way for row in case.rows if row.work == "forward"] == [KERNEL, KERNELS_COMPILED, REFERENCE, COMPILED]


def test_other_logits_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(module: nn.Module) -> None:
        module.stem.register_forward_hook(lambda module, given, found: found * 2)

    as_on_a_gpu(monkeypatch, spoil)
    result = bench_network(api.loads(SPEC).network, SETTINGS)
    assert not result.holds
    assert result.cases[0].rows == ()


def test_what_lies_behind_a_factor_of_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(module: nn.Module) -> None:
        for part in module.modules():
            if isinstance(part, Kernelled):
                part.register_forward_hook(lambda module, given, found: found * 2)

    closed = SPEC.replace("residual layernorm -> token", "residual layernorm -> token -> batchnorm(init = 0)")
    assert closed != SPEC
    as_on_a_gpu(monkeypatch, spoil)
    assert not bench_network(api.loads(closed).network, SETTINGS).holds
