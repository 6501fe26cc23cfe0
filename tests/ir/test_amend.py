"""`extends`: values are put in their places before anything is evaluated."""

from __future__ import annotations

import pytest

import archdsl
from tests.ir.support import after, changed, field, leaf, network, only, stage, told


def test_a_value_replaces_the_value_at_its_place() -> None:
    text = after("arch deep extends tiny { classes = 7, stage s2 { depth = 5 } }")
    found = network(text, "deep")
    assert (found.classes, len(stage(found, "s1").blocks), len(stage(found, "s2").blocks)) == (7, 2, 5)
    assert field(text, "head.linear", "out", "deep") == 7


def test_a_chain_of_bases_applies_from_the_first_to_the_last() -> None:
    text = after(
        "arch c extends b { stage s1 { depth = 4 } }",
        "arch b extends a { stage s1 { depth = 3 }, let width = 64 }",
        "arch a extends tiny { stage s1 { depth = 9 }, stage s2 { depth = 1 } }",
    )
    found = network(text, "c")
    assert [len(stage(found, name).blocks) for name in ("s1", "s2")] == [4, 1]
    assert stage(found, "s2").y.channels == 128
    assert archdsl.loads(text, name="c").model.lineage == ("c", "b", "a", "tiny")


def test_names_are_looked_up_after_the_amendment() -> None:
    found = network(after("arch wide extends tiny { let width = 48 }"), "wide")
    assert [stage(found, name).y.channels for name in ("s1", "s2")] == [48, 96]
    assert leaf(found, "stem.conv").out == 48  # type: ignore[attr-defined]


def test_the_same_component_is_refined_and_another_replaces() -> None:
    text = after(
        "arch more extends tiny { default { channel = mlp(act = relu) } }",
        "arch other extends tiny { stage s1 { token = window_attention(window = 7) } }",
    )
    refined = leaf(text, "stages.s1.0.channel", "more")
    assert refined.ratio == 4 and refined.act.schema.name == "relu"  # type: ignore[attr-defined]
    assert leaf(text, "stages.s1.0.token", "other").schema.name == "window_attention"


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ("let mixer = attention(lepe = 3x3)", (4, (3, 3))),  # the let, refined at its own place
        ("stage s1 { token = mixer(lepe = 3x3) }", (4, (3, 3))),  # one let on both sides
        ("stage s1 { token = attention(lepe = 3x3) }", (4, (3, 3))),  # the component, seen through the let of the base
    ],
)
def test_refinement_sees_through_lets(child: str, expected: tuple[int, tuple[int, int]]) -> None:
    found = leaf(after(f"arch a extends tiny {{ {child} }}"), "stages.s1.0.token", "a")
    assert (found.heads, found.lepe) == expected  # type: ignore[attr-defined]


def test_refinement_sees_through_lets_of_the_file() -> None:
    text = after(
        "let base = attention(qkv_bias = false)", "let local = base(lepe = 3x3)", "arch a extends tiny { let mixer = local }"
    )
    found = leaf(text, "stages.s1.0.token", "a")
    assert (found.heads, found.qkv_bias, found.lepe) == (4, False, (3, 3))  # type: ignore[attr-defined]


def test_refinement_is_at_the_same_place_only() -> None:
    # the stage names a component, so it says all of it, whatever `default` says
    text = after("arch a extends tiny { stage s1 { channel = mlp(act = relu) }, default { channel = mlp(ratio = 2) } }")
    assert field(text, "stages.s1.0.channel", "ratio", "a") == 4.0
    assert field(text, "stages.s2.0.channel", "ratio", "a") == 2.0


def test_a_let_with_parameters_is_replaced() -> None:
    base = changed("let mixer = attention(heads = 4)", "let mixer(heads = 4) = attention(heads = heads, lepe = 5x5)")
    base = changed("token = mixer }", "token = mixer() }", text=base)
    text = base + "arch a extends tiny { let mixer(heads = 4) = attention(heads = heads) }"
    assert field(text, "stages.s1.0.token", "lepe", "a") is None


def test_a_chain_is_replaced_whole() -> None:
    text = after("arch a extends tiny { default { down = conv(2x2, stride = 2) } }")
    assert field(text, "stages.s2.down.conv", "kernel", "a") == (2, 2)
    assert not [key for key in dict.fromkeys(k for k in _keys(text, "a")) if "down.batchnorm" in key]


def _keys(text: str, name: str) -> list[str]:
    from archdsl.ir.network import network_leaves

    return [key for key, _ in network_leaves(network(text, name))]


def test_layouts_are_replaced_whole() -> None:
    text = after("arch a extends tiny { layout { residual layernorm -> channel } }", "arch b extends tiny {}")
    assert _keys(text, "a")[2:4] == ["stages.s1.0.layernorm", "stages.s1.0.channel"]
    assert len(stage(network(text, "b"), "s1").blocks[0].lines) == 3
    assert told(after("arch a extends tiny { layout { residual layernorm -> channel } }"), "warning") == [
        ("unused-slot", "token")
    ]


def test_an_amendment_selects_a_layout_of_the_base() -> None:
    base = changed("  default {", "  layout plain { residual layernorm -> token }\n  default {")
    found = network(base + "arch a extends tiny { stage s1 { layout = plain } }", "a")
    assert [len(stage(found, name).blocks[0].lines) for name in ("s1", "s2")] == [1, 3]


def test_a_position_is_amended() -> None:
    base = changed("depth = 3, token = mixer(heads = 8)", "depth = 3, token = mixer, last { token = mixer(heads = 8) }")
    text = (
        base + "arch a extends tiny { stage s2 { last { token = attention(lepe = 3x3) }, first { token = mixer(heads = 2) } } }"
    )
    assert [field(text, f"stages.s2.{block}.token", "heads", "a") for block in range(3)] == [2, 4, 8]
    assert [field(text, f"stages.s2.{block}.token", "lepe", "a") for block in range(3)] == [None, None, (3, 3)]


def test_heads_and_nodes_are_amended() -> None:
    base = changed("head = mean", "node pooled = s1 -> mean\n  head main = mean").replace(
        "linear(classes)\n", "linear(classes)\n  head aux = pooled -> linear(classes)\n  logits = main + aux\n"
    )
    text = base + "arch a extends tiny { node pooled = s2 -> mean, head aux = pooled -> linear(4), logits = main }"
    found = network(text, "a")
    assert found.reads["pooled"] == "s2" and found.trained_only == {"aux"}
    assert field(text, "head.aux.linear", "out", "a") == 4


def test_a_replaced_value_is_never_evaluated() -> None:
    base = changed("depth = 2, token = mixer", "depth = 2, token = routing(regions = nowhere)")
    assert told(base) == [("unknown-name", "nowhere")]
    text = base + "arch a extends tiny { stage s1 { token = mixer } }"
    # the base is still wrong; the child is not
    assert archdsl.loads(text, name="a").params


def test_expectations_are_not_inherited() -> None:
    params = archdsl.loads(after(), name="tiny").params
    text = changed("let width", f"expect params = {params}\n  let width") + "arch a extends tiny { classes = 5 }"
    assert told(text) == []
    assert archdsl.loads(text, name="a").expectations == ()
    assert [e.status for e in archdsl.loads(text, name="tiny").expectations] == ["holds"]


@pytest.mark.parametrize(
    ("child", "slug", "guilty", "help"),
    [
        ("stage s9 { depth = 1 }", "unknown-place", "s9", "its stages are `s1`, `s2`"),
        ("node priar = s1 -> mean", "unknown-place", "priar", ""),
        ("head aux = mean -> linear(3)", "unknown-place", "aux", ""),
        ("let widht = 3", "unknown-let", "widht", "did you mean `width`?"),
        ("stage s1 { let widht = 3 }", "unknown-let", "widht", "did you mean `width`?"),
        ("stage s1 { dims = 3 }", "unknown-attribute", "dims", "did you mean `dim`?"),
        (
            "default { first { dim = 3 } }",
            "unknown-attribute",
            "dim",
            "it belongs to the stage: it cannot differ from block to block",
        ),
        ("dim = 3", "unknown-attribute", "dim", "write it in a stage, or in `default { dim = ... }` for all stages"),
    ],
)
def test_nothing_is_created(child: str, slug: str, guilty: str, help: str) -> None:
    found = only(after(f"arch a extends tiny {{ {child} }}"), slug)
    assert found.span is not None and found.span.text == guilty
    assert found.help == help


def test_a_let_of_the_base_may_be_set_at_a_stage() -> None:
    text = after("arch a extends tiny { stage s1 { let mixer = attention(heads = 2) } }")
    assert [field(text, f"stages.{name}.0.token", "heads", "a") for name in ("s1", "s2")] == [2, 8]


def test_a_let_of_the_bases_file_cannot_be_overridden() -> None:
    base = "let kernel = 3x3\n" + changed("dwconv(3x3)", "dwconv(kernel)")
    assert told(base + "arch a extends tiny { let kernel = 5x5 }") == [("unknown-let", "kernel")]


def test_bases_in_a_circle_are_told_once() -> None:
    found = only("arch a extends b {}\narch b extends c {}\narch c extends a {}", "extends-cycle")
    assert found.label == "`a` -> `b` -> `c` -> `a`"
    assert told("arch a extends a {}") == [("extends-cycle", "a")]


def test_an_unknown_base() -> None:
    found = only(after("arch a extends tinny {}"), "unknown-base")
    assert found.help == "did you mean `tiny`?"
    assert told(after("let x = 3", "arch a extends x {}")) == [("unknown-base", "x")]


def test_what_is_wrong_in_a_base_is_told_once() -> None:
    children = [f"arch c{index} extends tiny {{ stage s1 {{ depth = {index + 1} }} }}" for index in range(5)]
    text = changed("mlp(ratio = 4)", "mlp(ratoi = 4)") + "\n".join(children)
    assert told(text) == [("unknown-field", "ratoi")]
    broken = after("arch b extends tiny { stage s7 { depth = 1 } }", "arch c extends b {}", "arch d extends c {}")
    assert told(broken) == [("unknown-place", "s7")]
