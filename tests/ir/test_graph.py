"""Stages, nodes and heads are values that read each other."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir.graph import shown_circle
from tests.ir.support import changed, diagnostics, leaf, network, stage, told, within

TWO = changed(
    "head = mean",
    "node early  = s1 -> conv(1x1, out = 64) -> avgpool(2x2)\n"
    "  node joined = concat(s2, early) -> conv(1x1, out = 48)\n"
    "  head = joined -> mean",
)


def test_nodes_read_values() -> None:
    found = network(TWO)
    assert found.reads["early"] == "s1" and found.reads["head"] == "joined"
    assert list(found.values) == ["s1", "s2", "early", "joined", "head"]
    assert found.values["joined"].y.channels == 48


def test_values_may_be_written_in_any_order() -> None:
    text = within("node b = a -> gelu\n  node a = c -> gelu\n  node c = s1 -> gelu\n  head x = b -> mean -> linear(3)")
    text = changed("head = mean", "head y = mean", text=text).rstrip()[:-1] + "  logits = y\n}"
    found = list(network(text).values)
    assert found.index("c") < found.index("a") < found.index("b") < found.index("x")


def test_a_stage_reads_what_from_says() -> None:
    third = "stage s3 { from = s1 + (s2 -> conv(1x1, out = 32) -> conv(1x1)), down = none, dim = 32, depth = 1, token = mixer }"
    text = changed("head =", f"{third}\n  head =")
    assert told(text) == [("sum-mismatch", "s2 -> conv(1x1, out = 32) -> conv(1x1)")]
    side = "stage side { from = s1, down = none, dim = width, depth = 1, token = mixer }"
    text = changed("stage s2 {", f"{side}\n  stage s2 {{ from = s1 + side,")
    found = network(text)
    assert found.reads["s2"] == "s1" and stage(found, "s2").source is not None
    assert "stages.s2.from" not in str(found.reads)


@pytest.mark.parametrize(
    ("text", "guilty"),
    [
        (within("node a = b -> gelu\n  node b = a -> gelu"), "b"),
        (changed("stage s1 {", "stage s1 { from = s2,"), "s2"),
        (changed("token = mixer }", "token = s2 }"), "s2"),
        (within("node a = a"), "a"),
        (changed("stem = ", "stem = s1 -> "), "s1"),
        (changed("stem = ", "stem = stem -> "), "stem"),
    ],
)
def test_circles(text: str, guilty: str) -> None:
    found = [(slug, where) for slug, where in told(text) if slug == "graph-cycle"]
    assert found == [("graph-cycle", guilty)] == told(text)


def test_long_circles_are_shortened() -> None:
    assert shown_circle("abcabc") == "`a` -> `b` -> `c` -> `a` -> `b` -> `c`"
    assert shown_circle(map(str, range(100))).count("->") == 8 and "92 more" in shown_circle(map(str, range(100)))


def test_what_nothing_reads() -> None:
    assert told(within("node spare = s1 -> mean"), "warning") == [("not-reached", "spare")]
    text = changed("head =", "stage s3 { from = s1, down = none, dim = 32, depth = 1, token = mixer }\n  head = s2 ->")
    assert told(text, "warning") == [("not-reached", "s3")]


def test_a_node_begins_with_a_value() -> None:
    for body in ("conv(1x1, out = 3)", "conv(1x1)", "gelu -> s1", "identity", "concat(gelu, s1)"):
        assert [slug for slug, _ in told(within(f"node a = {body}"))] == ["node-without-source"], body
    # through a let as well
    assert told(within("let source = s1\n  node a = source -> gelu")) == []


HEADS = changed(
    "head = mean -> layernorm -> linear(classes)",
    "head main = mean -> linear(classes)\n  head aux = s1 -> mean -> linear(classes)",
)


def test_several_heads_need_logits() -> None:
    assert told(HEADS) == [("no-logits", "aux")]
    assert network(changed("head main", "logits = main\n  head main", text=HEADS)).trained_only == {"aux"}
    both = network(changed("head main", "logits = (main + aux) / 2\n  head main", text=HEADS))
    assert both.trained_only == frozenset() and both.heads == ("main", "aux")
    scaled = network(changed("head main", "logits = main + 0.5 * aux\n  head main", text=HEADS))
    assert scaled.logits.part.scales == (1.0, 0.5)  # type: ignore[union-attr]


def test_a_head_of_training_only_is_in_the_parameters() -> None:
    main = changed("head main", "logits = main\n  head main", text=HEADS)
    without = changed("\n  head aux = s1 -> mean -> linear(classes)", "", text=main)
    more, less = archdsl.loads(main), archdsl.loads(without)
    assert more.params == less.params + 32 * 10 + 10 and more.flops == less.flops


@pytest.mark.parametrize("logits", ["gelu", "mean", "identity"])
def test_logits_are_made_of_values(logits: str) -> None:
    assert [slug for slug, _ in told(changed("head main", f"logits = {logits}\n  head main", text=HEADS))] == ["no-logits"]


def test_logits_have_no_weights() -> None:
    text = changed("head main", "logits = main -> linear(5)\n  head main", text=HEADS)
    assert [slug for slug, _ in told(text)] == ["logits-with-weights"]


def test_heads_without_a_name() -> None:
    assert [slug for slug, _ in told(within("head = mean -> linear(4)"))] == ["duplicate-name"]
    assert [slug for slug, _ in told(within("head aux = mean -> linear(4)"))] == ["duplicate-name"]


def test_the_dim_of_a_head_is_the_last_stages_and_of_the_stem_the_firsts() -> None:
    text = changed("conv(4x4, out = width, stride = 4)", "conv(4x4, stride = 4)", "head = mean", "head = conv(1x1) -> mean")
    assert leaf(text, "stem.conv").out == 32  # type: ignore[attr-defined]
    assert leaf(text, "head.conv").out == 64  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (within("node a = concat(s2, s1) -> gelu"), "`s2 -> resize(s1)`"),
        (within("node a = concat(s1, s2 -> gelu) -> gelu"), "`s2 -> gelu -> resize(s1)`"),
        (within("node a = s1 + s2"), "`(s2 -> resize(s1))`; `conv(1x1)` changes the channels"),
        (within("node a = s1 + (s1 -> conv(1x1, out = 64))"), "out = 64) -> conv(1x1, out = 32))`"),
        (within("node a = s1 + (s1 -> mean)"), "pool the map: `(s1 -> mean)`"),
        (changed("batchnorm\n\n  stage s1", "batchnorm + conv(1x1, stride = 2)\n\n  stage s1"), "a stride, as in"),
    ],
)
def test_what_brings_maps_to_one_shape(text: str, help: str) -> None:
    (found,) = (found for found in diagnostics(text) if found.slug == "sum-mismatch")
    assert help in found.help


@pytest.mark.parametrize(
    ("aux", "help"),
    [
        ("s1 -> linear(classes)", "pool it: `(aux -> mean)`"),
        ("s1 -> mean -> linear(7)", "end `aux` with `linear(classes)`"),
        ("s1 -> linear(7)", "pool it: `(aux -> mean)`"),
    ],
)
def test_what_brings_logits_to_one_shape(aux: str, help: str) -> None:
    text = changed("head aux = s1 -> mean -> linear(classes)", f"head aux = {aux}", text=HEADS)
    (found,) = diagnostics(text.rstrip()[:-1] + "  logits = main + 0.5 * aux\n}\n")
    assert found.slug == "sum-mismatch" and found.help == help
