from __future__ import annotations

import dataclasses
import logging

import pytest
from torch.utils.flop_counter import FlopCounterMode

from archdsl.api import load
from archdsl.budget.compare import compare
from archdsl.budget.fvcore_count import measure
from archdsl.ir.counts import closed_form
from archdsl.kernels.choice import Use
from archdsl.lowering.dispatch import choose
from archdsl.lowering.export import images
from archdsl.lowering.module import lower
from archdsl.schema.cost import Cost
from tests.lowering import networks


@pytest.mark.parametrize("network", [networks.small(), networks.branching()], ids=lambda n: n.name)
def test_closed_form_equals_the_measured_count_in_every_row(network: networks.Network) -> None:
    found = compare(closed_form(network), measure(lower(network), network))
    assert found.equal, found.differing
    assert found.flops.closed == sum(row.closed for row in found.parts) == sum(row.measured for row in found.parts)
    assert found.flops.measured == sum(row.measured for row in found.ops) > 0
    assert found.params.closed == sum(row.closed for row in found.params_by_part) > 0
    assert found.unseen["add"] > 0


def test_what_logits_does_not_reach_is_in_the_parameters_only() -> None:
    network = networks.branching()
    closed, measured = closed_form(network), measure(lower(network), network)
    assert closed.parts["head.extra"].flops == measured.parts["head.extra"] == 0
    assert closed.params_by_part["head.extra"] == measured.params_by_part["head.extra"] == 8 * 6 + 6
    assert closed.rest.unseen == {"add": 6, "mul": 6}


def test_a_wrong_formula_is_seen_in_its_own_row() -> None:
    network = networks.small()
    stage = network.values["s2"]
    wrong = dataclasses.replace(stage, cost=stage.cost + Cost({"conv": 1}))
    network = networks.replaced(network, s2=wrong)
    found = compare(closed_form(network), measure(lower(network), network))
    assert {row.name for row in found.differing} == {"flops", "conv", "stages.s2"}


def test_measuring_leaves_the_module_as_it_was(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> None:
    network = networks.small()
    module = lower(network)
    module.stages.s1.eval()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    level = logging.getLogger("fvcore").level
    with caplog.at_level(logging.DEBUG):
        measured = measure(module, network)
    assert "topk" in measured.uncounted
    assert module.training
    assert not module.stages.s1.training
    assert all(tensor.equal(before[key]) for key, tensor in module.state_dict().items())
    assert not caplog.records
    assert not recwarn.list
    assert logging.getLogger("fvcore").level == level


@pytest.mark.parametrize("name", ["biformer_t", "halonet_h0", "halonet26t", "transnext_micro"])
def test_operators_count_as_their_references(name: str) -> None:
    network = load(f"@{name}").network
    module = lower(network).eval()
    choose(module, Use.OPERATOR)
    measured = measure(module, network)
    assert compare(closed_form(network), measured).equal
    assert [op for op in measured.uncounted if op.startswith("archdsl::")] == []
    found = {}
    for use in Use.REFERENCE, Use.OPERATOR:
        choose(module, use)
        with FlopCounterMode(display=False) as counter:
            module(images(module, 1))
        found[use] = counter.get_total_flops()
    assert found[Use.OPERATOR] == found[Use.REFERENCE] > 0


def test_a_network_of_operators_has_operators_in_it() -> None:
    network = load("@biformer_t").network
    module = lower(network).eval()
    choose(module, Use.OPERATOR)
    with FlopCounterMode(display=False) as counter:
        module(images(module, 1))
    assert {str(op) for op in counter.get_flop_counts()["Global"]} >= {"archdsl.routing_attention"}
