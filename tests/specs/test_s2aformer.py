"""S2AFormer, a reconstruction: its counts measured, its sizes, and training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl import api
from archdsl.lowering.build import build_module
from archdsl.source.diagnostic import SpecError
from tests.specs.steps import graphs_of_steps, lost_weights

SPEC = Path(__file__).resolve().parents[2] / "specs/s2aformer.arch"


def test_says_at_once_that_it_is_a_reconstruction() -> None:
    assert "A reconstruction" in SPEC.read_text(encoding="utf-8").partition("\n")[0]


@pytest.mark.parametrize(("at", "params", "flops"), [((224, 224), 11951400, 2024807264), ((192, 256), 11951400, None)])
def test_fvcore_measures_what_is_counted(at: tuple[int, int], params: int, flops: int | None) -> None:
    counted = archdsl.count(SPEC, at=at)
    assert counted.comparison.equal, counted.comparison.differing
    assert counted.params == params
    assert flops in (None, counted.flops)


def test_each_stage_attends_to_seven_by_seven_positions() -> None:
    network = api.load("@s2aformer").network
    state = build_module(network).state_dict()
    for name, reduction in (("s1", 8), ("s2", 4), ("s3", 2), ("s4", 1)):
        size = network.values[name].y.size
        assert (size.height // reduction, size.width // reduction) == (7, 7)
        kernel = state.get(f"stages.{name}.0.token.reduce.weight")
        assert (1 if kernel is None else kernel.shape[-1]) == reduction


def test_a_map_that_the_reduction_does_not_divide_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        api.load("@s2aformer", at=(240, 224))
    (found,) = caught.value.diagnostics
    assert found.slug == "shape-mismatch"
    assert "8x8" in found.message
    assert "60x56" in (found.label or "")
    assert "224x224" in (found.help or "")


def test_every_weight_learns() -> None:
    module = build_module(api.load("@s2aformer", at=(64, 64)).network, seed=4)
    assert lost_weights(module, torch.randn(4, 3, 64, 64)) == []


@pytest.mark.slow
def test_a_step_of_training_compiles_once_for_all_batches() -> None:
    module = build_module(api.load("@s2aformer", at=(64, 64)).network, seed=4)
    assert graphs_of_steps(module, (64, 64)) <= 2
