"""Every score on every published family: a finite number, the same again, and nothing touched."""

from __future__ import annotations

import math

import pytest
import torch

import archdsl
from archdsl.api import Spec
from archdsl.search.objectives.objective import Candidate
from tests.search.objectives.specs import CPU, PROXIES, SAMPLES, cheap, shallow, value

# each with an input that it takes, small where it can be
FAMILIES = {
    "@biformer_t": 112,
    "@care_s0": 64,
    "@convit_tiny": 64,
    "@s2aformer": 64,
    "@spartan_t": 64,
    "@tiny_moat_0": 64,
    "@transnext_micro": 64,
    "@volo_d1": 64,
    f"{SAMPLES / 'resnet50.arch'}:resnet50": 32,
    f"{SAMPLES / 'vit_s16_registers.arch'}": 32,
}
LARGE = {"@davit_tiny": 64, "@halonet26t": 256, "@halonet_h1": 256, "@overlock_xt": 64}
# as they are published, in depth: where flows and scales grow most
DEEP = {"@biformer_b": 112, "@care_s2": 64, "@halonet50ts": 256, "@moat_2": 64, "@overlock_s": 64, "@transnext_base": 64}


def check(spec: Spec) -> None:
    of = Candidate(spec, 0, CPU)
    before = {name: tensor.clone() for name, tensor in of.model().state_dict().items()}
    state = torch.get_rng_state()
    for name in PROXIES:
        assert math.isfinite(value(name, of, **cheap(name))), name
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    after = of.model().state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("name", FAMILIES, ids=lambda name: name.rpartition("/")[2])
def test_scores_are_numbers(name: str) -> None:
    check(shallow(name, FAMILIES[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_scores_of_larger_ones_are_numbers(name: str) -> None:
    check(shallow(name, LARGE[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("score", ["synflow", "zen_score", "naswot"])
def test_scores_of_deep_networks_are_numbers(name: str, score: str) -> None:
    of = Candidate(archdsl.load(name, at=DEEP[name]), 0, CPU)
    assert math.isfinite(value(score, of, **cheap(score)))


@pytest.mark.parametrize("name", PROXIES)
def test_a_score_is_a_function_of_spec_and_seed(name: str) -> None:
    spec = shallow("@convit_tiny", 64)
    one, again, other = (value(name, Candidate(spec, seed, CPU), **cheap(name)) for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("name", PROXIES)
def test_a_score_is_the_same_whatever_the_caller_draws_and_sets(name: str) -> None:
    of = Candidate(shallow("@convit_tiny", 64), 0, CPU)
    want = value(name, of, **cheap(name))
    torch.rand(3)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert value(name, of, **cheap(name)) == want
            assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", PROXIES)
def test_a_score_is_the_same_on_cuda(name: str) -> None:
    spec = shallow("@transnext_micro", 64)
    here, there = (value(name, Candidate(spec, 0, torch.device(device)), **cheap(name)) for device in ("cpu", "cuda"))
    assert there == pytest.approx(here, rel=1e-2)
