"""The hash of a spec: equal for what computes the same under the same names, different for any change."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.schema import registry
from archdsl.schema.field import MISSING
from tests.ir.support import TINY, after, changed


def digest(text: str, name: str | None = None) -> str:
    return archdsl.loads(text, name=name).hash


BASE = digest(TINY)


@pytest.mark.parametrize(
    "text",
    [
        TINY.replace("\n", "\n\n  # a comment\n"),
        changed("mlp(ratio = 4)", "mlp(act = gelu(), ratio = 8 / 2)"),
        changed("mlp(ratio = 4)", "mlp"),
        changed("dwconv(3x3)", "dwconv(kernel = 3x3, stride = 1, bias = true)"),
        changed("let mixer", "let half = 16\n  let mixer", "let width = 32", "let width = half * 2"),
        changed("mean -> layernorm -> linear(classes)", "(mean -> layernorm) -> linear(out = 10)"),
        changed("conv(3x3, stride = 2) -> batchnorm", "conv(3, stride = 2x2) -> batchnorm(eps = 1e-5)"),
        changed("drop_path = ramp(0.1)", "drop_path = ramp(rate = 1 / 10, endpoint = true)"),
        changed("token = mixer }", "token = attention(heads = 4) }"),
        # a let is a label only where it names something with weights
        changed("mlp(ratio = 4)", "mlp(ratio = 4, act = smooth)", "let width", "let smooth = gelu\n  let width"),
    ],
)
def test_other_words(text: str) -> None:
    assert digest(text) == BASE


def test_the_same_by_amendment() -> None:
    assert digest(after("arch a extends tiny {}"), "a") == BASE
    assert digest(changed("let width = 32", "let width = 48") + "arch a extends tiny { let width = 32 }", "a") == BASE
    assert digest(changed("arch tiny", "arch other")) == BASE
    assert archdsl.loads(changed("let width = 32", "let width = 48"), set={"width": 32}).hash == BASE


@pytest.mark.parametrize(
    "pairs",
    [
        ("3x64x64", "3x64x96"),
        ("classes   = 10", "classes = 11"),
        ("ramp(0.1)", "ramp(0.2)"),
        ("let width = 32", "let width = 64"),
        ("depth = 3", "depth = 4"),
        ("ratio = 4", "ratio = 2"),
        ("mlp(ratio = 4)", "mlp(act = relu)"),
        ("heads = 8", "heads = 2"),
        ("mixer(heads = 8)", "mixer(heads = 8, qkv_bias = false)"),
        ("mixer(heads = 8)", "mixer(heads = 8, lepe = 3x3)"),
        ("then identity + dwconv(3x3)", "then identity - dwconv(3x3)"),
        ("then identity + dwconv(3x3)", "then 0.5 * identity + dwconv(3x3)"),
        ("then identity + dwconv(3x3)", "residual dwconv(3x3)"),
        ("layernorm -> linear", "batchnorm -> linear"),
        ("layernorm -> linear", "layernorm(eps = 1e-6) -> linear"),
        ("conv(3x3, stride = 2)", "conv(3x3, stride = 2, bias = false)"),
        ("stage s2", "stage s3"),
        ("residual layernorm -> token", "residual norm -> token"),
    ],
)
def test_any_change(pairs: tuple[str, str]) -> None:
    text = changed(*pairs)
    if "norm ->" in pairs[1]:
        text = changed("let width", "let norm = layernorm\n  let width", text=text)
    assert digest(text) != BASE


def test_names_may_be_left_aside() -> None:
    from archdsl.ir.digest import digest as of

    other = changed("residual layernorm -> token", "residual norm -> token", "let width", "let norm = layernorm\n  let width")
    first, second = archdsl.loads(TINY).network, archdsl.loads(other).network
    assert of(first) != of(second) and of(first, names=False) == of(second, names=False)


def test_every_field_counts() -> None:
    """Changing the default of any field of any component shows."""
    from archdsl.ir.digest import component_text

    for name in registry.built_in():
        kind = registry.lookup(name)
        assert isinstance(kind, type)
        fields = {entry.name: None if entry.default is MISSING else entry.default for entry in kind.schema.fields}
        text = component_text(kind(**fields))
        for entry in fields:
            assert component_text(kind(**{**fields, entry: "changed"})) != text
