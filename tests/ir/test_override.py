"""Overrides from outside: `--set PATH=VALUE` and `--at HxW`."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.source.text import Source
from tests.ir.support import TINY, changed, field, leaf, stage


def load(text: str = TINY, **values: object) -> archdsl.Spec:
    return archdsl.loads(text, set={path.replace("__", "."): value for path, value in values.items()})


def test_a_value_of_a_stage() -> None:
    assert len(stage(load(s2__depth=9).network, "s2").blocks) == 9
    assert len(stage(archdsl.load("@biformer_t", set={"s3.depth": 9}).network, "s3").blocks) == 9


def test_a_let_of_the_arch() -> None:
    assert stage(load(width=96).network, "s2").y.channels == 192
    text = changed("mixer(heads = 8)", "mixer")
    found = load(text, mixer="window_attention(window = 7, head_dim = 8)").network
    assert leaf(found, "stages.s2.0.token").schema.name == "window_attention"
    # the same let again is a refinement, so its fields stay
    assert field(load(s2__token="mixer(lepe = 3x3)").network, "stages.s2.0.token", "heads") == 8


def test_one_field_of_a_component() -> None:
    assert archdsl.load("@biformer_t", set={"routed.pad": True}, at=(256, 256)).network.image.size == (256, 256)
    found = load(mixer__lepe="3x3").network
    assert [leaf(found, f"stages.{name}.0.token").lepe for name in ("s1", "s2")] == [(3, 3), (3, 3)]  # type: ignore[attr-defined]
    # a field of a component that the stage takes from `default` is changed for that stage alone
    found = load(s1__channel__ratio=2).network
    assert [field(found, f"stages.{name}.0.channel", "ratio") for name in ("s1", "s2")] == [2.0, 4.0]
    found = load(default__channel__ratio=2).network
    assert [field(found, f"stages.{name}.0.channel", "ratio") for name in ("s1", "s2")] == [2.0, 2.0]


def test_a_value_that_only_default_gives() -> None:
    found = load(s1__channel="mlp(ratio = 1)").network
    assert [field(found, f"stages.{name}.0.channel", "ratio") for name in ("s1", "s2")] == [1.0, 4.0]
    assert stage(load(s2__down=None, s2__dim=32).network, "s2").down is None


def test_positions() -> None:
    found = load(s2__first__token="mixer(heads = 2)").network
    assert [field(found, f"stages.s2.{i}.token", "heads") for i in range(3)] == [2, 8, 8]
    found = load(s2__last__token__heads=2).network
    assert [field(found, f"stages.s2.{i}.token", "heads") for i in range(3)] == [8, 8, 2]
    found = load(default__last__channel="mlp(ratio = 1)").network
    assert [field(found, f"stages.s1.{i}.channel", "ratio") for i in range(2)] == [4.0, 1.0]


def test_attributes_of_the_arch() -> None:
    spec = load(input=(3, 32, 32), classes=4, drop_path="ramp(0.5)", stem="conv(2x2, stride = 2) -> batchnorm")
    assert spec.network.image.size == (32, 32) and spec.network.classes == 4
    assert stage(spec.network, "s2").drop_rates[-1] == 0.5


def test_several_overrides_apply_in_order() -> None:
    assert len(stage(load(s1__depth=5, width=16, s2__depth=1).network, "s1").blocks) == 5
    spec = archdsl.loads(TINY, set={"width": 64}).overridden(set={"width": 48})
    assert stage(spec.network, "s1").y.channels == 48


def test_another_size() -> None:
    assert archdsl.loads(TINY, at=(96, 128)).network.image.size == (96, 128)
    # the channels are the spec's own, through a let as well
    text = changed("3x64x64", "image", "let width", "let image = 5x64x64\n  let width")
    assert str(archdsl.loads(text, at=(96, 96)).network.image) == "5x96x96"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (None, "none"), (3, "3"), ((3, 3), "3x3"), ([5, 5], "5x5"), ("3x3", "3x3")],
)
def test_python_values(value: object, text: str) -> None:
    from archdsl.ir.override import override_source
    from archdsl.source.diagnostic import Report

    assert override_source("a.b", value, Report()).text == f"a.b = {text}"


@pytest.mark.parametrize(
    ("path", "value", "slug", "guilty", "help"),
    [
        ("s2.detph", 3, "unknown-override", "detph", "did you mean `depth`?"),
        ("widht", 3, "unknown-override", "widht", "did you mean `width`?"),
        ("s9.depth", 3, "unknown-override", "s9", "there are `s1`, `s2`"),
        ("stem.conv", 3, "unknown-override", "conv", "override the whole value"),
        ("s2", 3, "unknown-override", "s2", "it has"),
        ("default", 3, "unknown-override", "default", "it has"),
        ("mixer.hedas", 3, "unknown-field", "hedas", "did you mean `heads`?"),
        ("s2.channel.act.x", 3, "unknown-override", "x", "`let`"),
        ("a.b.c", 3, "unknown-override", "a", ""),
        ("s2.depth", "1 | 2", "domain-outside-space", "1 | 2", ""),
        ("s2.depth", "", "missing-value", "", ""),
        ("s2.depth", "nope", "unknown-name", "nope", ""),
        ("s2.depth", -1, "out-of-bounds", "-1", ""),
        ("s2.depth", 2.5, "not-whole", "2.5", ""),
        ("mixer", "gelu", "unknown-field", "heads", ""),
        ("width", 3.5, "not-whole", "width", ""),
        ("width", "x -> gelu", "unknown-name", "x", ""),
        ("classes", True, "wrong-type", "true", ""),
        ("s2.depth", {"a": 1}, "wrong-type", "", ""),
        ("s2.depth", object(), "wrong-type", "", ""),
        ("s2.depth", "1\x00", "not-text", "", ""),
        ("s2.\u202edepth", 1, "not-text", "", ""),
        ("s2.depth", "3\nwidth = 4", "unexpected-text", "width", ""),
        ("s2.depth=9\nwidth", 3, "unexpected-text", "width", ""),
    ],
)
def test_wrong_overrides(path: str, value: object, slug: str, guilty: str, help: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(TINY, set={path: value})
    errors = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert [d.slug for d in errors] == [slug], str(caught.value)
    if guilty:
        assert errors[0].span is not None and errors[0].span.text == guilty
    assert help in errors[0].help
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


@pytest.mark.parametrize("value", [10**5000, "9" * 5000, "x" * 10**6, "(" * 1000], ids=["number", "digits", "text", "brackets"])
def test_long_values(value: object) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(TINY, set={"s2.depth": value})
    assert {d.slug for d in caught.value.diagnostics} <= {"limit-exceeded", "unclosed-bracket"}
    assert len(str(caught.value)) < 10_000


def test_the_place_of_a_wrong_override_is_the_command_line() -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(TINY, set={"s2.depth": Source("--set", "s2.depth = nope")})
    span = caught.value.diagnostics[0].span
    assert span is not None and span.source.name == "--set" and span.source.line_column(span.start) == (1, 12)


def test_an_override_of_a_wrong_spec() -> None:
    # a value that is replaced is never evaluated
    assert load(changed("mlp(ratio = 4)", "mlp(ratio = nope)"), default__channel="mlp(ratio = 2)").params
