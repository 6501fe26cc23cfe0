"""How convolutions start: said once for the arch, or at one call."""

from __future__ import annotations

import pytest

import archdsl
from tests.ir.support import TINY


def _with(init: str) -> str:
    return TINY.replace("classes   = 10\n", f"classes   = 10\n  init = {init}\n")


def test_the_arch_says_it_for_all_and_a_call_for_itself() -> None:
    text = _with('"fan_out"').replace("dwconv(3x3)", 'dwconv(3x3, init = "normal")')
    state = archdsl.build(archdsl.loads(text, set={"width": 128})).state_dict()
    # a kernel of four by four, 128 channels come out
    assert abs(state["stem.conv.weight"].std().item() - (2 / (16 * 128)) ** 0.5) < 1e-3
    assert not state["stem.conv.bias"].any()
    assert abs(state["stages.s1.0.dwconv.weight"].std().item() - 0.02) < 2e-3
    plain = archdsl.build(archdsl.loads(TINY, set={"width": 128})).state_dict()
    assert abs(plain["stem.conv.weight"].std().item() - (1 / (3 * 48)) ** 0.5) < 2e-3
    assert plain["stem.conv.bias"].any()


def test_depthwise_kernels_fan_out_to_their_own_channel() -> None:
    state = archdsl.build(archdsl.loads(_with('"fan_out"'), set={"width": 512})).state_dict()
    assert abs(state["stages.s1.0.dwconv.weight"].std().item() - (2 / 9) ** 0.5) < 2e-2


def test_a_child_inherits_and_changes_it() -> None:
    both = f'{_with(chr(34) + "normal" + chr(34))}\narch a extends tiny {{ }}\narch b extends tiny {{ init = "uniform" }}'
    assert archdsl.loads(both, name="a").hash == archdsl.loads(both, name="tiny").hash
    assert archdsl.loads(both, name="b").hash == archdsl.loads(TINY).hash


def test_a_let_of_this_name_is_something_else() -> None:
    text = TINY.replace("let width = 32", "let width = 32\n  let init = 3").replace("depth = 2", "depth = init")
    assert len(archdsl.loads(text).network.values["s1"].blocks) == 3


@pytest.mark.parametrize("init", ['"fan"', "3", "gelu", "none", "trunc_normal", "normal", '"kaiming"', "kaiming(0.1)"])
def test_what_is_wrong_is_one_error(init: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(_with(init))
    (found,) = caught.value.diagnostics
    assert found.slug == "unknown-choice"
    assert found.span is not None and found.span.text == init
    quotes = "in quotes: " if init == "normal" else ""
    assert found.label == f'{quotes}"uniform", "fan_out" or "normal"'


def test_a_let_may_say_it() -> None:
    text = _with("start").replace("let width = 32", 'let width = 32\n  let start = "normal"')
    assert archdsl.loads(text).hash == archdsl.loads(_with('"normal"')).hash


def test_it_is_written_out() -> None:
    spec = archdsl.loads(_with('"normal"'))
    assert '  init      = "normal"\n' in spec.canonical
    assert archdsl.loads(spec.canonical).hash == spec.hash


def test_a_linear_map_starts_as_it_says() -> None:
    text = TINY.replace("linear(classes)", "linear(classes, std = 0.5)")
    weight = archdsl.build(archdsl.loads(text, set={"classes": 500})).state_dict()["head.linear.weight"]
    assert abs(weight.std().item() - 0.5) < 0.02
