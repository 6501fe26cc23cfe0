"""Operators measured on the CPU at small shapes; no time is looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from archdsl.bench import baselines as others
from archdsl.bench.gate import Gate, same
from archdsl.bench.operator_bench import NO_KERNEL_HERE, bench_operator
from archdsl.bench.result import PASSES
from archdsl.bench.settings import Settings
from archdsl.bench.tables import notes, result_table
from archdsl.bench.timing import Duration
from archdsl.bench.ways import COMPILED, KERNEL, REFERENCE, Absent, Way
from archdsl.components.operators import operators
from archdsl.kernels.operator import Operator

# aot_eager traces as inductor does, and makes no code
SETTINGS = Settings(torch.device("cpu"), torch.float32, 2, Duration(rounds=2), modes=("default",), backend="aot_eager")
NAMES = ["aggregated_attention", "halo_attention", "routing_attention"]


def drawn(operator: Operator, *, shape: int = 1, batch: int = 3) -> tuple[Any, ...]:
    samples = operator.samples()
    found: tuple[Any, ...] = samples.draw(samples.ODD[shape], batch, dtype=torch.float32, device="cpu")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_ways_of_an_operator(name: str) -> None:
    operator = operators()[name]
    samples = operator.samples().ODD[1:3]
    result = bench_operator(operator, SETTINGS, samples)
    assert result.holds
    assert [case.name for case in result.cases] == [str(sample) for sample in samples]
    for case in result.cases:
        assert case.base == REFERENCE
        assert case.rounds == dict.fromkeys(PASSES, 2)
        assert [row.work for row in case.rows] == sorted((row.work for row in case.rows), key=PASSES.index)
        ways = {row.way for row in case.rows}
        own = name == "routing_attention"
        assert ways >= {REFERENCE, COMPILED, *([others.PUBLISHED, others.PUBLISHED_COMPILED] if own else [])}
        assert Absent(KERNEL, NO_KERNEL_HERE) in case.absent
        made = [COMPILED, others.PUBLISHED_COMPILED] if own else [COMPILED]
        assert list(case.compiling or {}) == [f"{each} (default)" for each in made]
        for row in case.rows:
            assert row.milliseconds is not None and row.milliseconds > 0
            assert row.low is not None and row.high is not None and row.ratio is not None
            assert row.low <= row.ratio <= row.high
            assert row.memory is None
            assert row.share is not None and row.share > 0
            assert row.limit in {"bandwidth", "matmul", "exponentials"}
            assert row.way != REFERENCE or row.low == row.high == 1.0
    document = json.loads(json.dumps(result.as_dict()))
    assert (document["version"], document["kind"], document["target"], document["batch"]) == (1, "bench", name, 2)
    assert document["machine"]["torch"] == torch.__version__
    shown = result_table(result, images=False).text()
    assert str(samples[0]) in shown
    assert any("there is no kernel for the CPU" in note for note in notes(result))


@pytest.mark.parametrize("name", ["halo_attention", "routing_attention"])
def test_other_implementations_compute_the_same(name: str) -> None:
    operator = operators()[name]
    for shape in range(len(operator.samples().ODD)):
        arguments = drawn(operator, shape=shape)
        found = {way.name: way for way in others.baselines(operator, arguments)}
        way = found[others.SDPA]
        assert isinstance(way, Way) and way.checked
        assert all(map(same, Gate(operator, arguments).errors(way.run)))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_there_has_a_reason(name: str) -> None:
    operator = operators()[name]
    found = others.baselines(operator, drawn(operator))
    assert {way.name for way in found} == {others.SDPA, others.TIMM, others.NATTEN}
    assert all(way.reason for way in found if isinstance(way, Absent))


def test_the_published_formulation_computes_what_the_reference_computes() -> None:
    operator = operators()["routing_attention"]
    run = others.published(operator)
    assert run is not None
    for shape in range(len(operator.samples().ODD)):
        assert all(map(same, Gate(operator, drawn(operator, shape=shape)).errors(run)))
    assert others.published(operators()["halo_attention"]) is None


def test_a_package_that_is_not_there_is_named() -> None:
    assert others._imported("no_such_package_at_all.layers") == "it is not installed"
    assert others._imported("archdsl.no_such_module") == "it needs archdsl.no_such_module, which is not installed"


@pytest.mark.parametrize("name", NAMES)
def test_the_gate_adds_up_what_has_no_batch(name: str) -> None:
    operator = operators()[name]
    arguments = drawn(operator, batch=9)
    errors = Gate(operator, arguments).errors(operator.reference)
    assert [error.what for error in errors] == ["y", *(f"the gradient of {name}" for name in operator.differentiable)]
    assert all(error.holds for error in errors)


def test_the_gate_refuses_what_is_wrong() -> None:
    operator = operators()["routing_attention"]
    arguments = drawn(operator)
    wrong = Gate(operator, arguments).errors(lambda *given: operator.reference(*given) * 1.001)
    assert not any(error.holds or same(error) for error in wrong)
    nothing = Gate(operator, arguments).errors(lambda *given: operator.reference(*given) * float("nan"))
    assert not any(error.holds or same(error) for error in nothing)


def test_what_is_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = operators()["halo_attention"]

    def wrong(*given: Any) -> Tensor:
        return operator.reference(*given) + 1

    monkeypatch.setattr("archdsl.bench.operator_bench.baselines", lambda *_: [Way("other", wrong, checked=True)])
    (case,) = bench_operator(operator, SETTINGS, operator.samples().ODD[1:2]).cases
    assert list(case.refused or {}) == ["other"]
    assert {row.way for row in case.rows} == {REFERENCE, COMPILED}

    # where it is the kernel there is no number at all
    monkeypatch.setattr("archdsl.bench.operator_bench.baselines", lambda *_: [Way(KERNEL, wrong, checked=True)])
    result = bench_operator(operator, SETTINGS, operator.samples().ODD[1:2])
    assert not result.holds
    assert result.cases[0].rows == ()
    assert result_table(result, images=False).rows == ()


def test_a_way_that_cannot_be_compiled_is_named() -> None:
    operator = operators()["routing_attention"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "archdsl.bench.operator_bench.compiled", lambda name, run, mode, backend: Way(name, lambda *_: 1 / 0, mode)
        )
        (case,) = bench_operator(operator, SETTINGS, operator.samples().ODD[1:2]).cases
    failed = [row for row in case.rows if row.failed]
    assert {row.way for row in failed} == {COMPILED, others.PUBLISHED_COMPILED}
    assert all(row.milliseconds is None and row.failed == "compiling fails: division by zero" for row in failed)
