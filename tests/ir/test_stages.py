"""Stages: layouts, alternation over depth, and the drop path along depth."""

from __future__ import annotations

import numpy
import pytest

import archdsl
from tests.ir.support import TINY, changed, field, leaf, network, only, rates, stage, told, within


@pytest.mark.parametrize("name", ["biformer_t", "biformer_s", "biformer_b", "davit_tiny", "davit_small", "davit_base"])
def test_a_ramp_is_the_papers_linspace(name: str) -> None:
    spec = archdsl.load(f"@{name}")
    highest = {"biformer_s": 0.15, "biformer_b": 0.4}.get(name)
    found = rates(spec)
    assert found[0] == 0 and (highest is None or found[-1] == highest)
    assert numpy.array_equal(numpy.asarray(found), numpy.linspace(0, found[-1], len(found))) or numpy.allclose(
        found, numpy.linspace(0, found[-1], len(found)), rtol=0, atol=1e-16
    )


@pytest.mark.parametrize(
    ("schedule", "stages", "expected"),
    [
        ("ramp(0.4)", ("", ""), [0, 0.1, 0.2, 0.3, 0.4]),
        ("ramp(rate = 0.4, endpoint = false)", ("", ""), [0, 0.08, 0.16, 0.24, 0.32]),
        ("0.2", ("", ""), [0.2] * 5),
        ("none", ("", ""), [0] * 5),
        # blocks with the rate 0 count along the ramp, those with none do not
        ("ramp(0.4)", ("drop_path = 0,", ""), [0, 0, 0.2, 0.3, 0.4]),
        ("ramp(0.4)", ("drop_path = none,", ""), [0, 0, 0, 0.2, 0.4]),
        ("ramp(0.4)", ("", "drop_path = none,"), [0, 0.4, 0, 0, 0]),
        ("ramp(0.4)", ("drop_path = 0.5,", ""), [0.5, 0.5, 0.2, 0.3, 0.4]),
        ("none", ("drop_path = ramp(0.1),", ""), [0, 0.1, 0, 0, 0]),
    ],
)
def test_drop_path(schedule: str, stages: tuple[str, str], expected: list[float]) -> None:
    text = changed("ramp(0.1)", schedule, "stage s1 {", f"stage s1 {{ {stages[0]}", "stage s2 {", f"stage s2 {{ {stages[1]}")
    assert rates(network(text)) == pytest.approx(expected, abs=1e-15)


def test_no_drop_path_and_one_block() -> None:
    assert rates(network(changed("  drop_path = ramp(0.1)\n", ""))) == [0.0] * 5
    one = changed("depth = 2", "depth = 1", "stage s2", "stage s2 { dim = 64, depth = 1, drop_path = none, token = mixer } #")
    assert rates(network(one)) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("written", "slug", "guilty"),
    [
        ("ramp(1)", "out-of-bounds", "1"),
        ("ramp(-0.1)", "out-of-bounds", "-0.1"),
        ("1.5", "out-of-bounds", "1.5"),
        ("ramp(10%)", "wrong-type", "10%"),
        ("gelu", "wrong-type", "gelu"),
        ("ramp()", "missing-field", "ramp()"),
        ("ramp", "missing-field", "ramp"),
        ("ramp(0.1, 0.2)", "positional-argument", "0.2"),
        ("ramp(0.1, endpont = false)", "unknown-field", "endpont"),
        ("ramp(0.1, rate = 0.2)", "duplicate-name", "rate"),
        ("ramp(0.1, endpoint = 1)", "wrong-type", "1"),
        # that it is no schedule comes before what is wrong with its own fields
        ("linear(0, 0.1)", "wrong-type", "linear(0, 0.1)"),
        ("linspace(0, 0.1)", "wrong-type", "linspace(0, 0.1)"),
    ],
)
def test_wrong_drop_paths(written: str, slug: str, guilty: str) -> None:
    assert told(changed("ramp(0.1)", written)) == [(slug, guilty)]


def test_a_schedule_may_be_a_let() -> None:
    text = changed(
        "drop_path = ramp(0.1)", "drop_path = rise(0.1)", "  let width", "  let rise(rate) = ramp(rate)\n  let width"
    )
    assert rates(network(text)) == rates(network(changed()))


def test_drop_path_is_written_where_a_line_has_no_residual() -> None:
    text = changed(
        "ramp(0.1)", "ramp(0.4)", "    residual layernorm -> channel\n", "    then layernorm -> channel -> drop_path\n"
    )
    found = [line.body.part for block in stage(network(text), "s2").blocks for line in block.lines[2:]]
    assert [part.parts[-1].rate for part in found] == pytest.approx([0.2, 0.3, 0.4])  # type: ignore[union-attr]


def test_cycle_counts_the_blocks_of_a_stage() -> None:
    text = changed("token = mixer(heads = 8)", "token = cycle(mixer, mixer(heads = 2))", "depth = 2", "depth = 3")
    text = changed("token = mixer }", "token = cycle(mixer(heads = 8), mixer, mixer(heads = 2)) }", text=text)
    assert [field(text, f"stages.s1.{i}.token", "heads") for i in range(3)] == [8, 4, 2]
    assert [field(text, f"stages.s2.{i}.token", "heads") for i in range(3)] == [4, 2, 4]


def test_cycles_of_different_length_meet() -> None:
    text = changed("depth = 3, token = mixer(heads = 8)", "depth = 12, token = cycle(mixer, mixer(heads = 2))")
    text = changed("mlp(ratio = 4)", "cycle(mlp(ratio = 1), mlp(ratio = 2), mlp(ratio = 3))", text=text)
    found = [(field(text, f"stages.s2.{i}.token", "heads"), field(text, f"stages.s2.{i}.channel", "ratio")) for i in range(12)]
    assert found == [((4, 2)[i % 2], (1.0, 2.0, 3.0)[i % 3]) for i in range(12)]


def test_equal_blocks_are_resolved_once() -> None:
    found = stage(network(changed("depth = 3", "depth = 9")), "s2").blocks
    assert len({id(block) for block in found}) <= 3


def test_a_named_layout_with_parameters() -> None:
    text = within("layout wide(norm, kernel = 3x3) { then identity + dwconv(kernel)\n residual norm -> token }")
    text = changed("token = mixer }", "token = mixer, layout = wide(batchnorm) }", text=text)
    text = changed("mixer(heads = 8)", "mixer, layout = wide(norm = layernorm, kernel = 5x5)", text=text)
    assert leaf(text, "stages.s1.0.batchnorm") and leaf(text, "stages.s2.0.layernorm")
    assert field(text, "stages.s2.0.dwconv", "kernel") == (5, 5)


def test_a_layout_of_the_file() -> None:
    text = "layout bare { residual layernorm -> token }\n" + changed("mixer(heads = 8)", "mixer, layout = bare")
    assert len(stage(network(text), "s2").blocks[0].lines) == 1


@pytest.mark.parametrize(
    ("stage_", "slug", "guilty"),
    [
        ("layout = wide", "unknown-name", "wide"),
        ("layout = 3", "wrong-type", "3"),
        ("layout = bare(3)", "positional-argument", "3"),
        ("layout = bare, layout { then gelu }", "duplicate-name", "layout"),
    ],
)
def test_wrong_layouts(stage_: str, slug: str, guilty: str) -> None:
    text = "layout bare { residual layernorm -> token }\n" + changed("mixer(heads = 8)", f"mixer, {stage_}")
    assert told(text) == [(slug, guilty)]


def test_no_layout() -> None:
    start = TINY.index("  layout {")
    text = TINY[:start] + TINY[TINY.index("  default {") :]
    assert told(text)[0][0] == "missing-layout"


def test_down_of_default_is_not_for_the_first_stage() -> None:
    found = network()
    assert stage(found, "s1").down is None and stage(found, "s2").down is not None
    own = changed("stage s1 {", "stage s1 { down = conv(2x2, stride = 2),")
    assert stage(network(own), "s1").down is not None
    read = network(changed("stage s1 {", "stage s0 { dim = 32, depth = 1, token = mixer }\n  stage s1 { from = s0,"))
    assert stage(read, "s1").down is not None


def test_none_clears_a_value_of_default() -> None:
    text = changed("stage s2 { dim = width * 2,", "stage s2 { down = none, dim = width,")
    assert stage(network(text), "s2").down is None


def test_a_tail_follows_the_blocks() -> None:
    text = changed("default {", "default {\n    tail = layernorm", "stage s2 {", "stage s2 { tail = none,")
    found = network(text)
    assert stage(found, "s1").tail is not None and stage(found, "s2").tail is None


@pytest.mark.parametrize(
    ("pairs", "slug", "guilty"),
    [
        (("depth = 2,", ""), "missing-attribute", "s1"),
        (("depth = 2", "depth = 0"), "out-of-bounds", "0"),
        (("depth = 2", "depth = 5 / 2"), "not-whole", "5 / 2"),
        (("depth = 2", 'depth = "2"'), "wrong-type", '"2"'),
        (("depth = 2", "depth = 2M"), "wrong-type", "2M"),
        (("depth = 2", "depth = 2001"), "limit-exceeded", "2001"),
        (("dim = width * 2", "dim = width - 32"), "out-of-bounds", "width - 32"),
        (("dim = width * 2", "dim = width / 3"), "not-whole", "width / 3"),
        (("dim = width * 2", "dim = width / 0"), "not-whole", "0"),
        (("input     = 3x64x64", "input = 64x64"), "wrong-type", "64x64"),
        (("input     = 3x64x64", "input = 0x64x64"), "out-of-bounds", "0x64x64"),
        (("  input     = 3x64x64\n", ""), "missing-attribute", "tiny"),
        (("  classes   = 10\n", ""), "missing-attribute", "tiny"),
        (("stage s2 {", "stage s2 { join = attnres(block = 4),"), "unknown-join", "attnres(block = 4)"),
        (("stage s2 {", "stage s2 { join = gelu,"), "unknown-join", "gelu"),
    ],
)
def test_wrong_attributes(pairs: tuple[str, str], slug: str, guilty: str) -> None:
    assert told(changed(*pairs)) == [(slug, guilty)]


def test_the_join_add_is_known() -> None:
    assert told(changed("stage s2 {", "stage s2 { join = add,")) == []


def test_a_cycle_needs_blocks() -> None:
    assert told(changed("stem = conv(4x4, out = width, stride = 4)", "stem = cycle(conv(4x4, stride = 4), gelu)"))[0][0] == (
        "cycle-outside-block"
    )


def test_what_a_layout_never_reads() -> None:
    text = changed("    residual layernorm -> channel\n", "", "stage s1 {", "stage s1 { channel = mlp,")
    assert told(text, "warning") == [("unused-slot", "channel")]


def test_an_arch_without_stages_or_head() -> None:
    assert [slug for slug, _ in told("arch a { input = 3x8x8, classes = 2 }")] == ["missing-stage", "missing-head"] or {
        slug for slug, _ in told("arch a { input = 3x8x8, classes = 2 }")
    } == {"missing-stage", "missing-head"}
    assert only(changed("  head = mean -> layernorm -> linear(classes)\n", ""), "missing-head").span is not None
