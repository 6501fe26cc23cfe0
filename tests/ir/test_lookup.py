"""A name is looked up where it is used, nearest first."""

from __future__ import annotations

import pytest

from archdsl.ir.habits import ATTRIBUTES, FIELDS, NAMES
from archdsl.ir.lookup import STRUCTURE
from archdsl.ir.model import ARCH_ATTRIBUTES, READABLE, STAGE_ATTRIBUTES
from archdsl.schema import registry
from archdsl.schema.component import Schema
from tests.ir.support import after, changed, diagnostics, field, leaf, network, only, stage, told, within


def test_the_stage_beats_default_and_default_beats_the_arch() -> None:
    text = changed("dwconv(3x3)", "dwconv(kernel)", "let width = 32", "let width = 32\n  let kernel = 3x3")
    assert field(text, "stages.s1.0.dwconv", "kernel") == (3, 3)
    nearer = changed("default {", "default {\n    let kernel = 5x5", text=text)
    assert field(nearer, "stages.s1.0.dwconv", "kernel") == (5, 5)
    nearest = changed("stage s1 {", "stage s1 { let kernel = 7x7,", text=nearer)
    assert field(nearest, "stages.s1.0.dwconv", "kernel") == (7, 7)
    assert field(nearest, "stages.s2.0.dwconv", "kernel") == (5, 5)


def test_the_file_comes_after_the_arch_and_before_components() -> None:
    file = "let kernel = 9x9\n" + changed("dwconv(3x3)", "dwconv(kernel)")
    assert field(file, "stages.s1.0.dwconv", "kernel") == (9, 9)
    # a let hides the component of its name
    hidden = within("let layernorm = batchnorm(eps = 1e-3)")
    assert leaf(hidden, "stages.s1.0.layernorm").schema.name == "batchnorm"


def test_a_name_means_what_the_place_says_not_what_its_text_saw() -> None:
    # `wide` is written in the arch, and reads the ratio of the stage it is used in
    text = changed(
        "let width = 32", "let width = 32\n  let ratio = 2\n  let wide = mlp(ratio = ratio)", "mlp(ratio = 4)", "wide"
    )
    text = changed("stage s2 {", "stage s2 { let ratio = 3,", text=text)
    assert [field(text, f"stages.{name}.0.channel", "ratio") for name in ("s1", "s2")] == [2.0, 3.0]


def test_attributes_are_names_too() -> None:
    text = changed("mixer(heads = 8)", "attention(heads = dim / depth / classes * 15 / 4)", "dim = width * 2", "dim = 64")
    assert field(text, "stages.s2.0.token", "heads") == 8
    assert field(changed("token = mixer }", "token = attention(heads = dim / 8) }"), "stages.s1.0.token", "heads") == 4


POSITIONS = changed(
    "dwconv(3x3)",
    "dwconv(kernel)",
    "default {",
    "default {\n    let kernel = 1x1\n    first { let kernel = 3x3 }\n    last { let kernel = 5x5 }",
)


def kernels(text: str, name: str) -> list[object]:
    found = network(text)
    return [field(found, f"stages.{name}.{i}.dwconv", "kernel")[0] for i in range(len(stage(found, name).blocks))]  # type: ignore[index]


def test_a_position_beats_a_stage() -> None:
    text = changed("stage s2 {", "stage s2 { let kernel = 7x7,", text=POSITIONS)
    assert kernels(text, "s2") == [3, 7, 5]
    # the stage answers with a position of its own
    text = changed("let kernel = 7x7,", "let kernel = 7x7, first { let kernel = 9x9 }", text=text)
    assert kernels(text, "s2") == [9, 7, 5]


def test_a_block_that_is_both_takes_last_before_first() -> None:
    assert kernels(changed("depth = 2", "depth = 1", text=POSITIONS), "s1") == [5]
    text = changed("depth = 2", "depth = 1, first { let kernel = 9x9 }", text=POSITIONS)
    # `default`'s last is nearer than the stage's first
    assert kernels(text, "s1") == [5]


def test_stride_is_one_unless_given() -> None:
    text = changed(
        "default {",
        "default {\n    first { stride = 2 }",
        "    residual layernorm -> token\n",
        "    then conv(1x1, stride = stride)\n",
    )
    text = changed("token = mixer }", "}", "token = mixer(heads = 8) }", "first { stride = 1 } }", text=text)
    found = network(text)
    assert [str(stage(found, name).y.size) for name in ("s1", "s2")] == ["8x8", "4x4"]


@pytest.mark.parametrize(
    ("let", "call"),
    [
        ("let wide(ratio) = mlp(ratio = ratio)", "wide(3)"),
        ("let wide(ratio) = mlp(ratio = ratio)", "wide(ratio = 3)"),
        ("let wide(ratio = 3) = mlp(ratio = ratio)", "wide()"),
        ("let wide(a, b = 1) = mlp(ratio = a + b)", "wide(2)"),
        ("let wide(a, b = 1) = mlp(ratio = a + b)", "wide(b = 2, a = 1)"),
        ("let twice(x) = x * 2\n  let wide(x) = mlp(ratio = twice(x) - 1)", "wide(2)"),
        ("let three = 3\n  let wide(x = three) = mlp(ratio = x)", "wide()"),
    ],
)
def test_functions(let: str, call: str) -> None:
    assert field(changed("let width", f"{let}\n  let width", "mlp(ratio = 4)", call), "stages.s1.0.channel", "ratio") == 3.0


def test_arguments_are_evaluated_at_the_call() -> None:
    text = changed("let width", "let wide(x) = mlp(ratio = x)\n  let width", "mlp(ratio = 4)", "wide(k)")
    text = changed("stage s1 {", "stage s1 { let k = 2,", "stage s2 {", "stage s2 { let k = 5,", text=text)
    assert [field(text, f"stages.{name}.0.channel", "ratio") for name in ("s1", "s2")] == [2.0, 5.0]


def test_parameters_are_seen_in_their_own_text_only() -> None:
    text = changed(
        "let width",
        "let inner = mlp(ratio = x)\n  let wide(x) = inner\n  let width",
        "mlp(ratio = 4)",
        "wide(3)",
    )
    assert told(text) == [("unknown-name", "x")]
    # a parameter hides a let of its name, in that text
    text = changed(
        "let width", "let x = 2\n  let inner = mlp(ratio = x)\n  let wide(x) = inner\n  let width", "mlp(ratio = 4)", "wide(3)"
    )
    assert field(text, "stages.s1.0.channel", "ratio") == 2.0


@pytest.mark.parametrize(
    ("let", "call", "slug", "guilty"),
    [
        ("let wide(x) = mlp(ratio = x)", "wide", "missing-field", "wide"),
        ("let wide(x) = mlp(ratio = x)", "wide()", "missing-field", "wide()"),
        ("let wide(x) = mlp(ratio = x)", "wide(1, 2)", "positional-argument", "2"),
        ("let wide(x) = mlp(ratio = x)", "wide(y = 1)", "unknown-field", "y"),
        ("let wide(x) = mlp(ratio = x)", "wide(1, x = 1)", "duplicate-name", "x"),
        ("let wide = mlp -> gelu", "wide(ratio = 1)", "refine-chain", "wide"),
        ("let wide = 3", "wide()", "refine-chain", "wide"),
    ],
)
def test_wrong_calls(let: str, call: str, slug: str, guilty: str) -> None:
    assert told(changed("let width", f"{let}\n  let width", "mlp(ratio = 4)", call)) == [(slug, guilty)]


@pytest.mark.parametrize(
    ("lets", "circle"),
    [
        ("let width = width", "`width` -> `width`"),
        ("let width = a\n  let a = b\n  let b = width", "`width` -> `a` -> `b` -> `width`"),
        ("let width = f(1)\n  let f(x) = f(x)", "`f` -> `f`"),
        ("let width = dim", "`width` -> `dim` -> `width`"),
    ],
)
def test_a_let_that_needs_itself(lets: str, circle: str) -> None:
    found = only(changed("let width = 32", lets), "recursive-let")
    assert circle in found.message


def test_a_let_that_hides_what_it_is_made_of() -> None:
    found = only(within("let layernorm = layernorm(eps = 1e-3)"), "recursive-let")
    assert "call it something else" in found.help


def test_a_value_that_only_some_stages_have() -> None:
    text = changed("dwconv(3x3)", "dwconv(kernel)", "stage s1 {", "stage s1 { let kernel = 3x3,")
    found = only(text, "unbound-name")
    assert found.message == "`kernel` has no value in stage `s2`"
    assert found.span is not None and found.span.text == "kernel"
    assert [note.span.text for note in found.notes if note.span] == ["s2", "kernel"]


def test_unknown_names_are_guessed() -> None:
    assert only(changed("-> token\n", "-> tokn\n"), "unknown-name").help == "did you mean `token`?"
    assert only(changed("mixer(heads = 8)", "mixr(heads = 8)"), "unknown-name").help == "did you mean `mixer`?"
    assert only(changed("mean ->", "maen ->"), "unknown-name").help == "did you mean `mean`?"


def test_a_let_that_nothing_reads_is_a_warning() -> None:
    assert told(within("let spare = 3"), "warning") == [("unused-let", "spare")]
    assert told(after("let spare = 3"), "warning") == []


def test_wrong_slots() -> None:
    assert told(changed("token = mixer }", "token = mlp }")) == [("wrong-slot", "mlp")]
    assert told(changed("mlp(ratio = 4)", "gelu -> attention(heads = 2)")) == [("wrong-slot", "attention(heads = 2)")]
    assert told(changed("token = mixer }", "token = gelu -> conv(1x1) }")) == []
    assert told(changed("token = mixer }", "token = none }")) == [("missing-slot", "none")]
    assert told(changed(", token = mixer }", "}")) == [("missing-slot", "s1")]


def test_what_other_tools_say_leads_to_words_that_exist() -> None:
    names = {*registry.names(), *STRUCTURE, *READABLE}
    assert {word for words in NAMES.values() for word in words} <= names
    assert not {name.replace("_", "") for name in names} & set(NAMES)
    fields = {entry.name for name in registry.names() for entry in _schema(name).fields}
    assert set(FIELDS.values()) <= fields
    assert set(ATTRIBUTES.values()) <= {*ARCH_ATTRIBUTES, *STAGE_ATTRIBUTES}
    keys = [*NAMES, *FIELDS, *ATTRIBUTES]
    assert keys == [key.casefold().replace("_", "") for key in keys]


def _schema(name: str) -> Schema:
    component = registry.lookup(name)
    assert isinstance(component, type)
    return component.schema


@pytest.mark.parametrize(
    ("pairs", "slug", "help"),
    [
        (("linear(classes)", "linear(num_classes)"), "unknown-name", "write `classes`"),
        (("head = mean", "head = global_avg_pool"), "unknown-name", "write `mean` or `avgpool`"),
        (("head = mean", "head = AdaptiveAvgPool2d"), "unknown-name", "write `avgpool` or `mean`"),
        (("mlp(ratio = 4)", "mlp(hidden = 384)"), "unknown-field", "write `ratio = ...`: hidden channels over channels"),
        (("mlp(ratio = 4)", "mlp(expansion = 4)"), "unknown-field", "write `ratio = ...`"),
        (("attention(heads", "attention(num_heads"), "unknown-field", "write `heads = ...`"),
        (("classes   = 10", "num_classes = 10"), "unknown-attribute", "write `classes = ...`"),
        (("stage s1 { dim =", "stage s1 { embed_dim ="), "unknown-attribute", "write `dim = ...`"),
        (("classes   = 10", "depths = 10"), "unknown-attribute", "write `depth = ...` in a stage"),
    ],
)
def test_words_of_other_tools(pairs: tuple[str, str], slug: str, help: str) -> None:
    found = [d for d in diagnostics(changed(*pairs)) if d.slug == slug]
    assert found and help in found[0].help, found


@pytest.mark.parametrize(
    ("written", "slug", "help"),
    [
        ("2", "wrong-type", "there are `s1`, `s2`, `a`"),
        ("8x8", "wrong-type", "there are `s1`, `s2`, `a`"),
        ("gelu", "wrong-type", "there are `s1`, `s2`, `a`"),
        ("identity", "wrong-type", "there are `s1`, `s2`, `a`"),
        ("s5", "unknown-name", "there are `s1`, `s2`, `a`"),
        ("S1", "unknown-name", "did you mean `s1`?"),
        ("", "missing-field", "with a stage or a node: there are `s1`, `s2`, `a`"),
    ],
)
def test_what_resize_takes(written: str, slug: str, help: str) -> None:
    (found,) = (d for d in diagnostics(within(f"node a = s2 -> resize({written})")) if d.severity == "error")
    assert found.slug == slug and help in found.help, found
