"""A spec as one text that needs no other file."""

from __future__ import annotations

from pathlib import Path

import pytest

import archdsl
from archdsl.ir.library import packaged_names
from tests.ir.support import TINY, after, changed


@pytest.mark.parametrize("name", packaged_names())
def test_packaged_specs(name: str) -> None:
    spec = archdsl.load(f"@{name}")
    again = archdsl.loads(spec.canonical)
    assert again.hash == spec.hash and again.name == spec.name
    assert archdsl.loads(again.canonical).canonical == again.canonical
    assert not again.diagnostics


@pytest.mark.parametrize(
    "overrides",
    [
        {"s3.depth": 9},
        {"width": 96, "s1.first.token": "full"},
        {"routed.pad": True, "input": (3, 256, 256)},
        {"s3.channel.ratio": 4},
        {"drop_path": None, "s2.last.channel": "mlp(ratio = 1)"},
    ],
)
def test_overridden_specs(overrides: dict[str, object]) -> None:
    spec = archdsl.load("@biformer_s", set=overrides)
    assert archdsl.loads(spec.canonical).hash == spec.hash


TEXTS = {
    "lets of the file": "let k = 5x5\nlet wide(r, k = 2) = mlp(ratio = r * k)\n"
    + changed("dwconv(3x3)", "dwconv(k)", "mlp(ratio = 4)", "wide(1)"),
    "amended": after(
        "let m = attention(qkv_bias = false)", "arch a extends tiny { let mixer = m(heads = 2), stage s2 { depth = 1 } }"
    ),
    "layouts": "layout bare(n) { residual n -> token }\n"
    + changed("token = mixer }", "token = mixer, layout = bare(layernorm) }"),
    "heads": changed(
        "head = mean -> layernorm -> linear(classes)",
        "node early = s1 -> avgpool(2x2)\n  head main = concat(s2, early) -> mean -> linear(classes)\n"
        "  head aux = s1 -> mean -> linear(classes)\n  logits = (main + aux) / 2",
    ),
    "positions": changed(
        "default {",
        "default {\n    first { let e = 1e-3 }\n    let e = 1e-5",
        "layernorm -> token",
        "layernorm(eps = e) -> token",
    ),
    "skip": changed("residual layernorm -> channel", "residual layernorm -> channel skip fit(conv(1x1)) then gelu"),
}


@pytest.mark.parametrize("title", TEXTS)
def test_texts(title: str) -> None:
    name = "a" if title == "amended" else "tiny"
    spec = archdsl.loads(TEXTS[title], name=name)
    assert archdsl.loads(spec.canonical).hash == spec.hash, spec.canonical
    assert "extends" not in spec.canonical and "import" not in spec.canonical


def test_two_helpers_of_one_name(tmp_path: Path) -> None:
    folder = tmp_path
    (folder / "base.arch").write_text("let k = 3x3\n" + changed("dwconv(3x3)", "dwconv(k)"))
    (folder / "child.arch").write_text(
        'import "base.arch" (tiny)\nlet k = attention(heads = 2)\narch child extends tiny { stage s1 { token = k } }\n'
    )
    spec = archdsl.load(folder / "child.arch")
    assert spec.params
    with pytest.raises(archdsl.SpecError) as caught:
        _ = spec.canonical
    assert [d.slug for d in caught.value.diagnostics] == ["duplicate-name"]


def test_a_canonical_text_keeps_no_expectations() -> None:
    text = changed("let width", 'expect params = 1 because "no"\n  let width')
    assert "expect" not in archdsl.loads(text).canonical
    assert archdsl.loads(TINY).canonical.startswith("arch tiny {")
