"""The deploy form of a network, and the rules that count it."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir import rules
from archdsl.ir.counts import closed_form, params, short
from archdsl.ir.digest import digest
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network, PlacedStage, network_leaves, weights
from archdsl.ir.rules import RULES
from tests.ir.support import diagnostics, only

BRANCHED = """\
arch branched {
  input     = 3x32x32
  classes   = 10
  drop_path = ramp(0.2)
  layout { residual layernorm -> token skip fit(affine) }
  default { token = dilated_reparam(7x7, branches = [[5, 1], [3, 2]]) -> batchnorm -> (identity + conv(1x1)) }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 2 }
  stage s2 { dim = 16, depth = 3, token = context_mix(7x7, heads = 1, context = 8) }
  node beside = s1 -> conv(1x1, out = 24) -> dilated_reparam(7x7)
  head main = mean -> linear(classes)
  head aux  = beside -> mean -> linear(classes)
  logits = main
}
"""


def counted(network: Network, quantity: str, rule: str) -> int:
    return rules.counted(network, [(quantity, rule)])[quantity, rule]


def test_fuses_every_component_and_keeps_the_rest() -> None:
    network = archdsl.loads(BRANCHED).network
    found = fused(network)
    assert found.training_form is network
    names = {name: component.leaf for name, component in network_leaves(network)}
    for name, leaf in network_leaves(found):
        assert leaf.leaf == names.pop(name).fused()
    assert not names
    # no weight is new but the biases that norms leave behind
    assert {name.rpartition(".")[2] for name in weights(found).keys() - weights(network).keys()} == {"bias"}
    assert weights(found).keys() < weights(network).keys() | {f"{name}.lk_origin.bias" for name in _convolutions(network)}
    stage, before = found.values["s2"], network.values["s2"]
    assert isinstance(stage, PlacedStage)
    assert isinstance(before, PlacedStage)
    assert stage.drop_rates == before.drop_rates
    # equal blocks stay one object
    assert len(set(map(id, stage.blocks))) == len(set(map(id, before.blocks)))
    assert digest(found) != digest(network)


def _convolutions(network: Network) -> list[str]:
    own = [name for name, leaf in network_leaves(network) if leaf.leaf.schema.name == "dilated_reparam"]
    mixed = [name for name, leaf in network_leaves(network) if leaf.leaf.schema.name == "context_mix"]
    return [*own, *(f"{name}.lepe.dilated_reparam" for name in mixed)]


def test_costs_are_those_of_the_fused_components() -> None:
    network = archdsl.loads(BRANCHED).network
    found = fused(network)
    # of each 7x7 with two branches and three norms one convolution is left
    stage = found.values["s1"].cost.ops
    before = network.values["s1"].cost.ops
    assert before["conv"] - stage["conv"] == 2 * 16 * 64 * (25 + 9)
    assert before["batch_norm"] - stage["batch_norm"] == 2 * 2 * 16 * 64 * 3
    unseen = network.values["s1"].cost.unseen["add"] - found.values["s1"].cost.unseen["add"]
    assert unseen == 2 * 16 * 64 * 2
    assert params(network) - params(found) > 0


def test_a_network_without_branches_is_its_own_deploy_form() -> None:
    network = archdsl.load("@biformer_t").network
    assert fused(network) is network
    found = fused(archdsl.loads(BRANCHED).network)
    assert fused(found) is found


def test_what_each_rule_counts() -> None:
    network = archdsl.loads(BRANCHED).network
    plain, merged = closed_form(network), closed_form(fused(network))
    assert list(RULES) == ["fvcore", "fused", "deploy", "conv_linear"]
    assert counted(network, "params", "fvcore") == plain.params == counted(network, "params", "conv_linear")
    assert counted(network, "params", "fused") == merged.params < plain.params
    # the node that only the head of training reads goes with it
    aside = merged.params_by_part["nodes.beside"] + merged.params_by_part["head.aux"]
    assert counted(network, "params", "deploy") == merged.params - aside
    assert counted(network, "flops", "fvcore") == plain.flops
    assert counted(network, "flops", "fused") == counted(network, "flops", "deploy") == merged.flops < plain.flops
    of_both = plain.cost.ops["conv"] + plain.cost.ops["linear"]
    assert counted(network, "flops", "conv_linear") == of_both < plain.flops
    # the products of queries and keys are neither
    assert plain.cost.ops["matmul"]


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("quantity", ["params", "flops"])
def test_expectations_by_rule(rule: str, quantity: str) -> None:
    count = counted(archdsl.loads(BRANCHED).network, quantity, rule)
    for at in ("", " at 32x32"):
        text = BRANCHED.replace("  drop_path", f"  expect {quantity} = {count}{at} by {rule}\n  drop_path")
        assert [entry.status for entry in archdsl.loads(text).expectations] == ["holds"]
    wrong = BRANCHED.replace("  drop_path", f"  expect {quantity} = {count + 1} by {rule}\n  drop_path")
    found = only(wrong, "expectation-failed")
    assert f"counted {count:_}" in found.label
    named = "" if rule == "fvcore" else f" by {rule}"
    assert found.message == f"{quantity}{named} is {count:_}, the spec expects {count + 1}"
    # the shares are those of what the rule counts
    note = found.notes[0].message
    assert ("; left out, for the logits are made without: aux 250, beside 1.61K" in note) == (
        (rule, quantity) == ("deploy", "params")
    )
    by = "op" if (rule, quantity) == ("conv_linear", "flops") else "stage"
    fuse = " --fuse" if rule in ("fused", "deploy") else ""
    assert note.endswith(f"; `archdsl count --by {by}{fuse}` shows all")


def test_the_shares_of_a_failed_expectation_are_those_of_the_rule() -> None:
    network = archdsl.loads(BRANCHED).network
    merged = closed_form(fused(network))
    stage = merged.params_by_part["stages.s1"]
    text = BRANCHED.replace("  drop_path", "  expect params = 1 by deploy\n  expect flops = 1 at 64x48 by fused\n  drop_path")
    deploy, flops = (found.notes[0].message for found in diagnostics(text))
    assert f"s1 {short(stage)} ({100 * stage / merged.evaluated_params:.0f} %)" in deploy
    assert flops.endswith("; `archdsl count --by stage --fuse --at 64x48` shows all")


def test_at_another_size_the_deploy_form_is_counted_there() -> None:
    there = archdsl.loads(BRANCHED, at=(64, 48)).network
    count = counted(there, "flops", "fused")
    text = BRANCHED.replace("  drop_path", f"  expect flops = {count} at 64x48 by fused\n  drop_path")
    assert [entry.status for entry in archdsl.loads(text).expectations] == ["holds"]


def test_a_budget_by_rule() -> None:
    count = counted(archdsl.loads(BRANCHED).network, "params", "deploy")
    for sign, kept in (("<=", True), ("<", False)):
        text = (
            f"{BRANCHED}\nspace some over branched {{ budget params {sign} {count} by deploy\n stage s1 {{ depth = 1..2 }} }}"
        )
        space = archdsl.loads(text, name="some").space
        assert space is not None
        assert space.within_budget(space.base_network) is kept


@pytest.mark.parametrize("value", ["[5, 1]", "[[5, 1, 1]]", "[[5, 0.5]]", "[[5, true]]", "3", "[[5x5, 1]]"])
def test_branches_are_pairs_of_whole_numbers(value: str) -> None:
    found = only(BRANCHED.replace("[[5, 1], [3, 2]]", value), "wrong-type")
    assert (
        found.message
        == "`branches` of `dilated_reparam` is a list of pairs of whole numbers such as [[5, 1], [3, 2]], or `none`"
    )


def test_branches_may_be_told_and_left_out() -> None:
    for value, count in (("none", 4), ("[]", 0), ("[[3, 1],]", 1)):
        network = archdsl.loads(BRANCHED.replace("[[5, 1], [3, 2]]", value)).network
        leaf = next(leaf for name, leaf in network_leaves(network) if name.startswith("stages.s1.0.token.dilated"))
        assert len(leaf.leaf.dilated) == count  # type: ignore[attr-defined]
