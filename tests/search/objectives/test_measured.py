"""What is measured or counted: latency, memory, params, flops."""

from __future__ import annotations

import gc
from statistics import median

import pytest
import torch

import archdsl
from archdsl.lowering import compile
from archdsl.search.objectives.latency import Latency, Timing
from archdsl.search.objectives.memory import Memory
from archdsl.search.objectives.objective import Candidate, Unmeasured
from tests.search.objectives.specs import CPU, candidate, shallow, tiny, value

MIB = 2**20
# a linear map of 16 * 16 positions, and nothing that is kept beside
WIDE = tiny(
    "then conv(1x1, out = 64, bias = false) -> relu -> conv(1x1, bias = false)", stem="conv(1x1, out = 16)", size=16, dim=16
)


def test_params_and_flops_are_those_of_the_spec() -> None:
    of = Candidate(archdsl.load("@spartan_t", at=64), 0, CPU)
    assert value("params", of) == of.spec.params == sum(p.numel() for p in of.model().parameters())
    assert value("flops", of) == of.spec.flops


def test_latency_is_the_median_of_the_blocks() -> None:
    timing = Timing(((3.0, 1.0, 2.0), (9.0, 7.0, 8.0), (4.0, 4.0, 4.0)))
    assert timing.median == 4.0
    assert timing.spread == 6.0


def test_latency_times_every_pass() -> None:
    of = candidate(WIDE)
    timing = Latency(blocks=2, runs=3, warmup=1, batch=2).timing(of)
    assert [len(block) for block in timing.blocks] == [3, 3]
    assert all(time > 0 for block in timing.blocks for time in block)
    assert timing.median == median(median(block) for block in timing.blocks)
    assert gc.isenabled()
    assert value("latency", of, blocks=1, runs=1, warmup=1) > 0
    assert not Latency.repeatable


def test_latency_runs_in_evaluation_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.lowering.module import Backbone

    seen: list[tuple[bool, bool, torch.Size]] = []
    forward = Backbone.forward

    def watched(self: Backbone, images: torch.Tensor) -> object:
        seen.append((self.training, torch.is_grad_enabled(), images.shape))
        return forward(self, images)

    monkeypatch.setattr(Backbone, "forward", watched)
    Latency(blocks=2, runs=3, warmup=4, batch=5).timing(candidate(WIDE))
    assert seen == [(False, False, torch.Size([5, 3, 16, 16]))] * 10


def test_latency_compiled_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "compiler", lambda: None)
    with pytest.raises(archdsl.SpecError, match="compiler-missing"):
        value("latency", candidate(WIDE), compile=True)


@pytest.mark.slow
@pytest.mark.skipif(compile.compiler() is None, reason="inductor needs a C++ compiler")
def test_latency_compiled_again_and_again() -> None:
    # more than dynamo compiles of one piece of code
    for dim in range(8, 8 + 4 * 10, 4):
        text = tiny("then conv(1x1) -> relu", stem=f"conv(1x1, out = {dim})", dim=dim)
        assert value("latency", candidate(text), compile=True, blocks=1, runs=1, warmup=1) > 0


def test_memory_of_a_forward_pass_is_weights_and_the_largest_two_maps() -> None:
    of = candidate(WIDE)
    bytes_of_map = 4 * 16 * 16 * 8
    weights = 4 * of.spec.params
    images = 3 * bytes_of_map
    # while the relu runs, what it reads and what it makes: 64 channels each
    least = weights + images + 2 * 64 * bytes_of_map
    found = value("memory", of, batch=8) * MIB
    # a kernel may take as much again for itself as the convolution reads
    assert least <= found <= least + 2 * 64 * bytes_of_map


def test_memory_of_training_has_gradients_the_optimizer_and_what_is_kept() -> None:
    of = candidate(WIDE)
    bytes_of_map = 4 * 16 * 16 * 8
    # weights, two moments of AdamW; and of the forward pass the maps that the backward pass reads
    least = 3 * 4 * of.spec.params + (3 + 16 + 64 + 16) * bytes_of_map
    forward, training = (value("memory", of, batch=8, work=work) * MIB for work in ("forward", "training"))
    assert training >= least
    assert training > forward


def test_memory_grows_with_the_batch_by_its_maps() -> None:
    of = candidate(WIDE)
    small, large = (value("memory", of, batch=batch) * MIB for batch in (8, 16))
    assert large - small >= (3 + 2 * 64) * 4 * 16 * 16 * 8


@pytest.mark.parametrize("work", ["forward", "training"])
def test_memory_is_the_same_again_and_touches_nothing(work: str, capfd: pytest.CaptureFixture[str]) -> None:
    # drop path draws in training
    of = Candidate(shallow("@convit_tiny", 32), 0, CPU)
    state = torch.get_rng_state()
    assert value("memory", of, batch=2, work=work) == value("memory", of, batch=2, work=work)
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


def test_memory_is_measured_where_the_allocator_tells() -> None:
    with pytest.raises(Unmeasured, match="not on `meta`"):
        value("memory", candidate(WIDE, device=torch.device("meta")))


def test_memory_without_a_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.search.objectives import memory

    monkeypatch.setattr(memory, "_STDERR", 10_000)
    assert value("memory", candidate(WIDE)) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("work", ["forward", "training"])
def test_memory_on_cuda(work: str) -> None:
    of = candidate(WIDE, device=torch.device("cuda"))
    held = torch.empty(10 * MIB, device="cuda")
    found = [value("memory", of, batch=8, work=work) for _ in range(2)]
    assert found[0] == pytest.approx(found[1])
    del held
    assert value("memory", of, batch=8, work=work) == pytest.approx(found[0])
    assert found[0] * MIB >= 4 * of.spec.params + (3 + 2 * 64) * 4 * 16 * 16 * 8


def test_a_step_of_training_takes_two_images() -> None:
    with pytest.raises(ValueError, match="2 images or more"):
        Memory(batch=1, work="training")
