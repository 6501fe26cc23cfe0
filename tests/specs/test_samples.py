"""Networks of other kinds, written in the language: a bottleneck, and a plain transformer with registers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.schema.units import FeatureMap, Size, Tokens

SAMPLES = Path(__file__).parent / "samples"
EACH = pytest.mark.parametrize("spec", ["resnet50.arch:resnet50", "resnet50.arch:resnet101", "vit_s16_registers.arch"])


@EACH
def test_checks_clean(spec: str) -> None:
    assert archdsl.check(SAMPLES / spec) == ()
    found = archdsl.load(SAMPLES / spec)
    assert {expectation.status for expectation in found.expectations} == {"holds"}


@EACH
def test_counts_as_fvcore_measures(spec: str) -> None:
    counted = archdsl.count(SAMPLES / spec, at=(64, 96))
    assert counted.comparison.equal, counted.comparison.differing


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.arch")), ids=lambda path: path.stem)
def test_is_written_as_fmt_writes_it(path: Path) -> None:
    from archdsl.lang.fmt import format_file
    from archdsl.lang.parse import parse_file
    from archdsl.source.diagnostic import Report
    from archdsl.source.text import Source

    text = path.read_text(encoding="utf-8")
    file = parse_file(Source(path.name, text), Report())
    assert file is not None
    assert format_file(file) == text


def test_a_bottleneck_strides_in_its_middle() -> None:
    network = archdsl.load(SAMPLES / "resnet50.arch:resnet50").network
    sizes = [network.values[name].y for name in network.stages]
    assert sizes == [FeatureMap(256 * 2**i, Size(56 // 2**i, 56 // 2**i)) for i in range(4)]
    module = archdsl.build(SAMPLES / "resnet50.arch:resnet50", seed=1)
    assert [name for name in module.state_dict() if ".skip.conv." in name] == [
        f"stages.s{i}.0.skip.conv.weight" for i in (1, 2, 3, 4)
    ]
    assert module.stages.get_submodule("s2.0.token").stride == (2, 2)
    assert module.stages.get_submodule("s2.0.conv").stride == (1, 1)


def test_registers_come_after_the_positions() -> None:
    spec = archdsl.load(SAMPLES / "vit_s16_registers.arch")
    blocks = spec.network.values["blocks"]
    assert blocks.y == FeatureMap(384, Size(14, 14), (Tokens("class", 1), Tokens("registers", 4)))
    module = archdsl.build(spec, seed=1)
    # the class token and the patches have positions, the registers have none
    assert module.stem.position_table.weight.shape == (197, 384)
    assert module.stem.registers.weight.shape == (4, 384)


@pytest.mark.parametrize("spec", ["resnet50.arch:resnet50", "vit_s16_registers.arch"])
def test_a_small_one_trains_a_step(spec: str) -> None:
    smaller = {"s3.depth": 2} if "resnet" in spec else {"blocks.depth": 2}
    module = archdsl.build(SAMPLES / spec, at=(32, 48), set=smaller, seed=1).train()
    logits = module(torch.randn(2, 3, 32, 48))
    assert logits.shape == (2, 1000)
    logits.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in module.parameters())
