"""Maps that do not fit are refused at the part that makes them so."""

from __future__ import annotations

import pytest

from tests.ir.support import TINY, changed, diagnostics, network, only, stage, told

DOWN = "down    = conv(3x3, stride = 2) -> batchnorm"


def line(text: str) -> str:
    """`TINY` with a layout of these lines."""
    start, end = TINY.index("  layout {"), TINY.index("  default {")
    return TINY[:start] + f"  layout {{ {text} }}\n\n" + TINY[end:]


def test_the_map_at_each_place() -> None:
    found = network()
    assert str(found.stem.y if found.stem else "") == "32x16x16"
    assert [str(stage(found, name).y) for name in found.stages] == ["32x16x16", "64x8x8"]
    assert str(found.values["head"].y) == "10"


@pytest.mark.parametrize(
    ("layout", "slug", "guilty", "label"),
    [
        ("residual conv(1x1, out = 5)", "skip-shape", "residual", "in block 0 of `s1`: 32x16x16 joins 5x16x16"),
        ("residual conv(2x2, stride = 2)", "skip-shape", "residual", "in block 0 of `s1`: 32x16x16 joins 32x8x8"),
        ("residual gelu skip conv(1x1, out = 5)", "skip-shape", "residual", "in block 0 of `s1`: 5x16x16 joins 32x16x16"),
        ("then identity + conv(1x1, out = 5)", "sum-mismatch", "conv(1x1, out = 5)", "5x16x16 here, in block 0 of `s1`"),
        ("then concat(identity, avgpool(2x2))", "sum-mismatch", "avgpool(2x2)", "32x8x8 here, in block 0 of `s1`"),
        (
            "then split(gelu, gelu, gelu)",
            "split-mismatch",
            "split(gelu, gelu, gelu)",
            "32 channels, 3 parts, in block 0",
        ),
        ("then split([8, 8], gelu, gelu)", "split-mismatch", "split([8, 8], gelu, gelu)", "8 + 8 = 16, and 32 channels"),
        ("then split([32, 0], gelu, gelu)", "split-mismatch", "split([32, 0], gelu, gelu)", "32 + 0 = 32, and 32 channels"),
        ("then split([8, 8, 16], gelu, gelu)", "split-mismatch", "split([8, 8, 16], gelu, gelu)", ""),
        ("then split(gelu, maxpool(2x2))", "sum-mismatch", "maxpool(2x2)", "16x8x8 here"),
        (
            "then (class_token -> registers(1)) + (registers(1) -> class_token)",
            "sum-mismatch",
            "registers(1) -> class_token",
            "32x16x16 + registers + class here",
        ),
        ("then (class_token -> registers(2)) + registers(3)", "sum-mismatch", "registers(3)", "32x16x16 + 3 registers here"),
        ("then mean -> conv(1x1)", "shape-mismatch", "conv", "after pooling only channels are left"),
        ('then conv(99x99, pad = "same") -> conv(64x64)', "field-mismatch", "64x64", "the map is 16x16 here"),
        ("residual fit(conv(1x1))", "fit-outside-skip", "fit(conv(1x1))", ""),
        ("then split(fit(gelu), gelu)", "fit-outside-skip", "fit(gelu)", ""),
    ],
)
def test_misfits(layout: str, slug: str, guilty: str, label: str) -> None:
    found = [d for d in _errors(line(layout)) if d.slug == slug]
    assert len(found) == 1 == len(_errors(line(layout)))
    assert found[0].span is not None and found[0].span.text == guilty
    assert found[0].label.startswith(label)


def _errors(text: str) -> list:  # type: ignore[type-arg]
    from tests.ir.support import diagnostics

    return [d for d in diagnostics(text) if d.severity == "error"]


def test_fit_is_nothing_where_the_shape_is_right() -> None:
    found = network(line("residual conv(1x1, out = dim) skip fit(conv(1x1))"))
    skip = stage(found, "s1").blocks[0].lines[0].skip
    assert skip is not None and skip.children == ()
    first = network(changed(DOWN, "down = none", text=line("residual conv(1x1) skip fit(conv(1x1))")))
    skips = [block.lines[0].skip for block in stage(first, "s2").blocks]
    assert [bool(skip and skip.children) for skip in skips] == [True, False, False]


def test_fit_in_a_sum_of_a_skip_path() -> None:
    text = changed(
        DOWN,
        "down = none",
        text=line("residual conv(1x1) skip fit(conv(1x1)) + fit(conv(1x1))"),
    )
    assert told(text) == []


def test_dim_is_what_some_block_gives() -> None:
    text = changed(DOWN, "down = none")
    assert told(text) == [("dim-mismatch", "width * 2")]
    # the last block may end wider
    wide = changed("depth = 3,", "depth = 3, last { layout { then conv(1x1, out = 200) } },")
    assert str(stage(network(wide), "s2").y) == "200x8x8"


def test_a_size_is_traced_to_the_input() -> None:
    text = changed("token = mixer(heads = 8)", "token = routing(regions = 3x3, topk = 1)")
    found = only(text, "shape-mismatch")
    assert found.span is not None and found.span.text == "routing"
    assert [note.message for note in found.notes] == ["8x8 comes from the input: 64x64 / 4 (stem) / 2 (s2.down)"]
    assert found.notes[0].span is not None and found.notes[0].span.text == "3x64x64"
    assert "48x48" in found.help and "68x68" in found.help


def test_a_field_that_does_not_divide() -> None:
    found = only(changed("heads = 4", "heads = 5"), "not-divisible")
    assert found.span is not None and found.span.text == "5"
    assert found.label == "32 channels come in, and 5 does not divide them, in block 0 of `s1`"


def test_limits_of_a_network() -> None:
    for text in (
        changed("3x64x64", "3x100000x100000"),
        changed("linear(classes)", "linear(4_000_000_000)"),
        changed("dwconv(3x3)", "conv(9001x9001)"),
        changed("depth = 2", "depth = 1500", "depth = 3", "depth = 1500"),
        changed("3x64x64", "3x20000x20000"),
    ):
        assert [slug for slug, _ in told(text)] == ["limit-exceeded"]


def test_logits_that_are_a_map_are_a_warning() -> None:
    assert told(changed("mean -> layernorm", "layernorm"), "warning") == [("unpooled-logits", "head")]
    # [B, classes, 1, 1] is no [B, classes] either
    assert told(changed("mean -> layernorm", "layernorm -> avgpool"), "warning") == []
    assert told(changed("mean -> layernorm", "layernorm -> avgpool(8x8)"), "warning") == [("unpooled-logits", "head")]


@pytest.mark.parametrize(
    ("stem", "size", "lost"),
    [
        ("conv(4x4, stride = 4)", "64x64", ""),
        ("conv(4x4, stride = 4)", "66x64", "left out: the last 2 rows of 66x64"),
        ("conv(4x4, stride = 4) -> batchnorm", "64x67", "left out: the last 3 columns of 64x67"),
        ("conv(4x4, stride = 4)", "65x67", "left out: the last row and 3 columns of 65x67"),
        ('conv(4x4, stride = 4, pad = "same")', "65x67", ""),
        ("conv(5x5, stride = 5)", "62x64", "left out: the last column of 62x64"),
        ("patch_embed(4x4)", "65x67", ""),
        # overlapping, or with gaps that are meant
        ("conv(4x4, stride = 2) -> maxpool(2x2)", "65x67", ""),
        ("conv(1x1, stride = 4)", "65x67", ""),
        ("conv(1x1) -> conv(4x4, stride = 4)", "65x67", ""),
    ],
)
def test_pixels_that_no_patch_covers(stem: str, size: str, lost: str) -> None:
    text = changed("conv(4x4, out = width, stride = 4) -> batchnorm", stem, "3x64x64", f"3x{size}")
    labels = [found.label for found in diagnostics(text) if found.slug == "dropped-pixels"]
    assert labels == ([lost] if lost else [])
