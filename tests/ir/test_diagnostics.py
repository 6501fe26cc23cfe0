"""One cause is told once, at the smallest guilty text, and independent mistakes together."""

from __future__ import annotations

import pytest

from tests.ir.support import TINY, changed, diagnostics, told, within

MANY = TINY.replace(
    "  head =",
    "".join(f"  stage t{i} {{ dim = width * 2, depth = 1, down = none, token = mixer, channel = wide }}\n" for i in range(12))
    + "  head =",
).replace("  let width", "  let wide = mlp(ratio = 2)\n  let width")


@pytest.mark.parametrize(
    ("pairs", "slug", "guilty"),
    [
        # a wrong let, read in twelve places
        (("let width = 32", "let width = true"), "wrong-type", "width"),
        (("let width = 32", 'let width = "32"'), "wrong-type", "width"),
        (("let width = 32", "let width = 3x3"), "wrong-type", "width"),
        (("let width = 32", "let width = gelu"), "wrong-type", "width"),
        (("let width = 32", "let width = -32"), "out-of-bounds", "width"),
        (("let width = 32", "let width = wdth"), "unknown-name", "wdth"),
        (("let width = 32", "let width = width"), "recursive-let", "width"),
        (("let mixer = attention(heads = 4)", "let mixer = attntion(heads = 4)"), "unknown-name", "attntion"),
        (("let mixer = attention(heads = 4)", "let mixer = attention(hedas = 4)"), "unknown-field", "hedas"),
        (("let mixer = attention(heads = 4)", "let mixer = attention(heads = 2.5)"), "not-whole", "2.5"),
        (("let wide = mlp(ratio = 2)", "let wide = mlp(ratio = 0)"), "out-of-bounds", "0"),
        (("let wide = mlp(ratio = 2)", "let wide = dwconv"), "missing-field", "wide"),
        (("let wide = mlp(ratio = 2)", "let wide = 3"), "wrong-type", "wide"),
        (("let wide = mlp(ratio = 2)", "let wide = attention(heads = 2)"), "wrong-slot", "wide"),
        # a wrong value in `default`
        (("mlp(ratio = 4)", "mlp(ratoi = 4)"), "unknown-field", "ratoi"),
        (("mlp(ratio = 4)", "mlp(ratio = 4x4)"), "wrong-type", "4x4"),
        (("mlp(ratio = 4)", "nope"), "unknown-name", "nope"),
        # a wrong layout, for all stages
        (("residual layernorm -> token", "residual layernrm -> token"), "unknown-name", "layernrm"),
        (("residual layernorm -> token", "residual layernorm(eps = 0x3) -> token"), "wrong-type", "0x3"),
        (("residual layernorm -> token", "residual layernorm -> tokn"), "unknown-name", "tokn"),
        (("classes   = 10", "classes = 10.5"), "not-whole", "10.5"),
        (("  classes   = 10\n", ""), "missing-attribute", "tiny"),
        (("  input     = 3x64x64\n", ""), "missing-attribute", "tiny"),
        (("drop_path = ramp(0.1)", "drop_path = ramp(2)"), "out-of-bounds", "2"),
    ],
)
def test_one_cause_is_told_once(pairs: tuple[str, str], slug: str, guilty: str) -> None:
    assert told(changed(*pairs, text=MANY)) == [(slug, guilty)]


def test_independent_mistakes_are_told_together() -> None:
    text = changed(
        *("dim = width,     depth = 2", "dim = width, depth = 0"),
        *("mixer(heads = 8)", "mixer(haeds = 8)"),
        *("mean -> layernorm", "mean -> layernrom"),
        *("stem = conv(4x4,", "stem = conv(4x4x4,"),
        *("drop_path = ramp(0.1)", "drop_path = ramp(7)"),
    )
    assert told(text) == [
        ("out-of-bounds", "7"),
        ("wrong-type", "4x4x4"),
        ("out-of-bounds", "0"),
        ("unknown-field", "haeds"),
        ("unknown-name", "layernrom"),
    ]


def test_mistakes_side_by_side() -> None:
    text = changed("mean -> layernorm -> linear(classes)", "maen -> layernrom(eps = 1) -> linear(clases)")
    assert told(text) == [("unknown-name", "maen"), ("unknown-name", "layernrom"), ("unknown-name", "clases")]
    text = changed(
        "then identity + dwconv(3x3)", "then identty + dwcov(3x3)", "residual layernorm -> token", "residual lay -> token"
    )
    assert told(text) == [("unknown-name", "identty"), ("unknown-name", "dwcov"), ("unknown-name", "lay")]


def test_mistakes_in_several_archs() -> None:
    text = TINY + "arch a extends tiny { stage s1 { depth = 0 } }\narch b extends tiny { stage s9 {} }\narch c extends d {}\n"
    assert [slug for slug, _ in told(text)] == ["out-of-bounds", "unknown-place", "unknown-base"]


def test_warnings_do_not_hide_errors() -> None:
    assert told(within("let spare = 3\n  stage s3 { dim = 128, depth = 1, token = mixer(heads = 3) }")) == [
        ("not-divisible", "3")
    ]


def test_of_many_errors_the_first_are_told() -> None:
    stages = "".join(f"stage t{i} {{ dim = 64, depth = 1, token = no{i} }}\n" for i in range(50))
    found = diagnostics(within(stages))
    assert [d.slug for d in found].count("unknown-name") == 20 and [d.slug for d in found].count("limit-exceeded") == 1
    found = diagnostics("".join(f"let x = {i}\n" for i in range(300)) + TINY)
    assert len(found) == 101 and found[-1].message == "100 errors are told in one run, 199 more were found"


@pytest.mark.parametrize(
    ("pairs", "help"),
    [
        (("token = mixer }", "token = mixr }"), "did you mean `mixer`?"),
        (("heads = 4", "head_s = 4"), "did you mean `heads`?"),
        (("depth = 3", "dept = 3"), "did you mean `depth`?"),
        (("mixer(heads = 8)", "mlp(ratio = 2)"), "write it as `channel = ...`"),
        (("classes   = 10", "classes = 1K"), "without a unit"),
        (("attention(heads = 4)", "attention(heads = 4, qkv_bias = 1)"), "write `true`"),
        (("attention(heads = 4)", "attention(heads = 4, lepe_of = input)"), 'write it in quotes: "input"'),
        (("input     = 3x64x64", "input = 64x64x3"), "write 3x64x64"),
        (("conv(3x3, stride = 2)", "conv(3x3, 2)"), "name the field"),
        (("depth = 3, token = mixer(heads = 8)", "depth = 3"), "write `token = ...`"),
        (("head = mean", "head = s9 -> mean"), ""),
        (("head = mean", "let gelu = gelu\n  head = gelu -> mean"), "call it something else"),
    ],
)
def test_the_help_names_the_repair(pairs: tuple[str, str], help: str) -> None:
    found = [d for d in diagnostics(changed(*pairs)) if d.severity == "error"]
    assert len(found) == 1 and help in found[0].help, found
