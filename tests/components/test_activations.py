"""`gelu`, `relu`, `silu` and `dropout`: the suites, and their functions written out."""

from __future__ import annotations

import math

import torch

from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite

_CASES = (Case(FeatureMap(4, Size(3, 5))), Case(FeatureMap(4, None)))


class TestGelu(ComponentSuite):
    component = "gelu"
    cases = _CASES


class TestRelu(ComponentSuite):
    component = "relu"
    cases = _CASES


class TestSilu(ComponentSuite):
    component = "silu"
    cases = _CASES


class TestDropout(ComponentSuite):
    component = "dropout"
    cases = (Case(FeatureMap(4, Size(3, 5)), {"rate": 0.2}), Case(FeatureMap(4, None), {"rate": 0.0}))


def _made(name: str, x: FeatureMap, rate: float | None = None) -> torch.nn.Module:
    return instantiate(resolved(name, {} if rate is None else {"rate": rate}, x), x)


def test_functions() -> None:
    x = FeatureMap(3, None)
    values = torch.tensor([[-1.5, 0.0, 0.7]], dtype=torch.float64)
    expected = {
        "gelu": [v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in values[0].tolist()],
        "relu": [max(v, 0.0) for v in values[0].tolist()],
        "silu": [v / (1 + math.exp(-v)) for v in values[0].tolist()],
    }
    for name, numbers in expected.items():
        torch.testing.assert_close(_made(name, x)(values)[0], torch.tensor(numbers, dtype=torch.float64))


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = _made("dropout", FeatureMap(1000, None), rate=0.25).train()(torch.ones(10, 1000))
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(dropped.mean().item() - 1) < 0.03
